//! How each peer is started: as fast as it gets, without a log and without asking for a password.
//! What each is told is all here, to be judged.

use std::fs;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::{Peer, Plan, folder, free_address, go, installed, missing, on_cpu, version_of};
use crate::load::Target;

const NGINX_DAV: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";
const LIGHTTPD_DAV: &str = "/usr/lib/lighttpd/mod_webdav.so";

/// Where a peer lives.
struct House {
    folder: PathBuf,
    /// What it serves.
    data: PathBuf,
    address: SocketAddr,
    /// Then Apache, nginx and lighttpd work as www-data.
    root: bool,
}

/// `NotFound` names what is missing.
pub(super) fn plan(peer: Peer, cpu: Option<u32>) -> io::Result<Plan> {
    let folder = folder()?;
    let data = folder.path().join("data");
    fs::create_dir(&data)?;
    let house = House {
        data,
        address: free_address()?,
        root: fs::metadata(folder.path())?.uid() == 0,
        folder: folder.path().to_owned(),
    };
    let (name, version, command) = match peer {
        Peer::Apache => apache(&house, cpu)?,
        Peer::Nginx => nginx(&house, cpu)?,
        Peer::Lighttpd => lighttpd(&house, cpu)?,
        Peer::Rclone => rclone(&house, cpu)?,
        Peer::Dufs => dufs(&house, cpu)?,
        Peer::Xnet => xnet(&house, cpu)?,
    };
    Ok(Plan {
        name,
        version,
        command,
        target: Target {
            address: house.address,
            credentials: None,
        },
        folder,
    })
}

type Start = (&'static str, String, Command);

/// The folders are www-data's when its workers are.
fn hand_over(house: &House) -> io::Result<()> {
    if !house.root {
        return Ok(());
    }
    let mut chown = Command::new("chown");
    let done = chown
        .arg("www-data:")
        .args([&house.folder, &house.data])
        .status()?;
    if done.success() {
        return Ok(());
    }
    Err(io::Error::other("chown to www-data failed"))
}

fn with_settings(house: &House, text: &str) -> io::Result<PathBuf> {
    let settings = house.folder.join("settings");
    fs::write(&settings, text)?;
    hand_over(house)?;
    Ok(settings)
}

fn apache(house: &House, cpu: Option<u32>) -> io::Result<Start> {
    let binary = installed("apache2")?;
    let settings = with_settings(house, &apache_settings(house))?;
    let mut command = on_cpu(cpu, &binary);
    command.arg("-DFOREGROUND").arg("-f").arg(settings);
    Ok(("apache", version_of(&binary, "-v"), command))
}

fn apache_settings(house: &House) -> String {
    let modules = [
        "mpm_event",
        "authz_core",
        "mime",
        "dav",
        "dav_fs",
        "dav_lock",
    ];
    let modules = modules
        .map(|name| format!("LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n"));
    let modules = modules.concat();
    let user = if house.root {
        "User www-data\nGroup www-data\n"
    } else {
        ""
    };
    let (folder, address) = (house.folder.display(), house.address);
    format!(
        "{modules}{user}ServerRoot {folder}
ServerName localhost
Listen {address}
PidFile {folder}/pid
ErrorLog {folder}/errors
LogLevel error
TypesConfig /etc/mime.types
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 300
EnableSendfile On
DocumentRoot {folder}/data
DavLockDB {folder}/locks
<Directory {folder}/data>
    Dav On
    AllowOverride None
    Require all granted
</Directory>
"
    )
}

fn nginx(house: &House, cpu: Option<u32>) -> io::Result<Start> {
    let binary = installed("nginx")?;
    if !Path::new(NGINX_DAV).exists() {
        return Err(missing("libnginx-mod-http-dav-ext"));
    }
    let settings = with_settings(house, &nginx_settings(house))?;
    let mut command = on_cpu(cpu, &binary);
    command.arg("-c").arg(settings);
    Ok(("nginx", version_of(&binary, "-v"), command))
}

fn nginx_settings(house: &House) -> String {
    let user = if house.root { "user www-data;\n" } else { "" };
    let (folder, address) = (house.folder.display(), house.address);
    format!(
        "load_module {NGINX_DAV};
daemon off;
{user}worker_processes 1;
pid {folder}/pid;
error_log {folder}/errors crit;
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    access_log off;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 300;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    dav_ext_lock_zone zone=locks:10m timeout=10m;
    server {{
        listen {address};
        root {folder}/data;
        location / {{
            dav_methods PUT DELETE MKCOL COPY MOVE;
            dav_ext_methods PROPFIND OPTIONS LOCK UNLOCK;
            dav_ext_lock zone=locks;
        }}
    }}
}}
"
    )
}

fn lighttpd(house: &House, cpu: Option<u32>) -> io::Result<Start> {
    let binary = installed("lighttpd")?;
    if !Path::new(LIGHTTPD_DAV).exists() {
        return Err(missing("lighttpd-mod-webdav"));
    }
    let uploads = house.folder.join("uploads");
    fs::create_dir(&uploads)?;
    let settings = with_settings(house, &lighttpd_settings(house))?;
    if house.root {
        Command::new("chown")
            .arg("www-data:")
            .arg(&uploads)
            .status()?;
    }
    let mut command = on_cpu(cpu, &binary);
    command.arg("-D").arg("-f").arg(settings);
    Ok(("lighttpd", version_of(&binary, "-v"), command))
}

fn lighttpd_settings(house: &House) -> String {
    let user = if house.root {
        "server.username = \"www-data\"\nserver.groupname = \"www-data\"\n"
    } else {
        ""
    };
    let folder = house.folder.display();
    format!(
        "{user}server.modules = ( \"mod_webdav\" )
server.bind = \"{}\"
server.port = {}
server.document-root = \"{folder}/data\"
server.errorlog = \"{folder}/errors\"
server.upload-dirs = ( \"{folder}/uploads\" )
server.max-keep-alive-requests = 65535
server.max-keep-alive-idle = 300
webdav.activate = \"enable\"
webdav.sqlite-db-name = \"{folder}/locks\"
mimetype.assign = ( \"\" => \"application/octet-stream\" )
",
        house.address.ip(),
        house.address.port()
    )
}

fn rclone(house: &House, cpu: Option<u32>) -> io::Result<Start> {
    let binary = installed("rclone")?;
    let mut command = on_cpu(cpu, &binary);
    let settings = house.folder.join("no-settings");
    command.args([
        "serve",
        "webdav",
        "--quiet",
        "--addr",
        &house.address.to_string(),
    ]);
    command.arg("--config").arg(settings).arg(&house.data);
    Ok(("rclone", version_of(&binary, "version"), command))
}

fn dufs(house: &House, cpu: Option<u32>) -> io::Result<Start> {
    let binary = installed("dufs")?;
    let mut command = on_cpu(cpu, &binary);
    let (ip, port) = (
        house.address.ip().to_string(),
        house.address.port().to_string(),
    );
    command.args([
        "--allow-all",
        "--log-format",
        "",
        "--bind",
        &ip,
        "--port",
        &port,
    ]);
    command.arg(&house.data);
    Ok(("dufs", version_of(&binary, "--version"), command))
}

fn xnet(house: &House, cpu: Option<u32>) -> io::Result<Start> {
    let binary = go::build(&house.folder)?;
    let mut command = on_cpu(cpu, &binary);
    command.arg(&house.data).arg(house.address.to_string());
    Ok(("x/net", version_of(&installed("go")?, "version"), command))
}
