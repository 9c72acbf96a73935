//! The servers to measure, each with a fresh folder, a free port, one user and an access log, and
//! stopped by its process id when dropped. What each is told is all here, to be judged.

use std::env;
use std::fs::{self, File, Permissions};
use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use clap::ValueEnum;
use tempfile::TempDir;

use crate::load::Target;

const USER: &str = "bench";
const PASSWORD: &str = "side-by-side";
/// Both, as Basic authentication sends them.
const CREDENTIALS: &str = "YmVuY2g6c2lkZS1ieS1zaWRl";
/// Both, for Apache and nginx: SHA-1, the cheapest hash that they know, for they compute it with
/// each request.
const HTPASSWD: &str = "bench:{SHA}CtU/AReTgdvy0pXEC3JXdyWn+CY=\n";

const START_WAIT: Duration = Duration::from_secs(15);
const STOP_WAIT: Duration = Duration::from_secs(15);
const POLL: Duration = Duration::from_millis(20);

/// What to measure against.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Peer {
    /// mod_dav, mod_dav_fs and mod_dav_lock with the event MPM
    Apache,
    /// http_dav and dav-ext (locks in memory), one worker
    Nginx,
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) name: &'static str,
    pub(crate) target: Target,
    child: Child,
    _folder: TempDir,
}

impl Server {
    /// Its process; others may hang below it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Lockkeeper with its default settings, on the given CPU.
    pub(crate) fn lockkeeper(cpu: Option<u32>) -> io::Result<Self> {
        let folder = folder()?;
        let data = folder.path().join("data");
        let binary = Path::new(env!("CARGO_BIN_EXE_lockkeeper"));
        let mut add = clean(Command::new(binary));
        add.args(["user", "add", USER, "--password-stdin", "--data"])
            .arg(&data);
        let mut add = add.stdin(Stdio::piped()).stdout(Stdio::null()).spawn()?;
        // The pipe closes at the end of the statement, so that the command sees the end.
        add.stdin
            .take()
            .expect("it is piped")
            .write_all(PASSWORD.as_bytes())?;
        if !add.wait()?.success() {
            return Err(io::Error::other("lockkeeper user add failed"));
        }
        let mut serve = clean(on_cpu(cpu, binary));
        serve
            .args(["serve", "--listen", "127.0.0.1:0", "--data"])
            .arg(&data);
        serve
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::piped());
        let mut child = serve
            .stderr(File::create(folder.path().join("log"))?)
            .spawn()?;
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let address = output.lines().map_while(Result::ok).find_map(|line| {
            let url = line.strip_prefix("listening on http://")?;
            url.trim_end_matches('/').parse().ok()
        });
        let address = address.unwrap_or_else(|| SocketAddr::from(([127, 0, 0, 1], 0)));
        Self::ready("lockkeeper", child, address, folder)
    }

    /// A peer, on the given CPU. `NotFound` names the Debian package that is missing.
    pub(crate) fn peer(peer: Peer, cpu: Option<u32>) -> io::Result<Self> {
        let (name, package) = match peer {
            Peer::Apache => ("apache", "apache2"),
            Peer::Nginx => ("nginx", "nginx"),
        };
        let binary = installed(package)?;
        if peer == Peer::Nginx && !Path::new(NGINX_DAV).exists() {
            return Err(missing("libnginx-mod-http-dav-ext"));
        }
        let folder = folder()?;
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let data = folder.path().join("data");
        fs::create_dir(&data)?;
        fs::write(folder.path().join("htpasswd"), HTPASSWD)?;
        // As root the workers become www-data; they need their folders.
        let root = fs::metadata(folder.path())?.uid() == 0;
        if root {
            let folders = [folder.path(), &data];
            let done = Command::new("chown")
                .arg("www-data:")
                .args(folders)
                .status()?;
            if !done.success() {
                return Err(io::Error::other("chown to www-data failed"));
            }
        }
        let settings = folder.path().join("settings");
        let mut command = on_cpu(cpu, &binary);
        match peer {
            Peer::Apache => {
                fs::write(&settings, apache(folder.path(), address, root))?;
                command.arg("-DFOREGROUND").arg("-f").arg(&settings);
            }
            Peer::Nginx => {
                fs::write(&settings, nginx(folder.path(), address, root))?;
                command.arg("-c").arg(&settings);
            }
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn()?;
        Self::ready(name, child, address, folder)
    }

    /// Waits until the server accepts.
    fn ready(
        name: &'static str,
        child: Child,
        address: SocketAddr,
        folder: TempDir,
    ) -> io::Result<Self> {
        let target = Target {
            address,
            credentials: CREDENTIALS,
        };
        let mut server = Self {
            name,
            target,
            child,
            _folder: folder,
        };
        for _ in 0..START_WAIT.as_millis() / POLL.as_millis() {
            if let Some(status) = server.child.try_wait()? {
                return Err(io::Error::other(format!(
                    "{name} ended at its start: {status}"
                )));
            }
            if TcpStream::connect(address).is_ok() {
                return Ok(server);
            }
            thread::sleep(POLL);
        }
        Err(io::Error::other(format!(
            "{name} does not accept connections"
        )))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // SIGTERM, for a killed parent would leave its workers behind.
        let pid = self.child.id().to_string();
        let _ = Command::new("kill").args(["-TERM", &pid]).status();
        for _ in 0..STOP_WAIT.as_millis() / POLL.as_millis() {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            thread::sleep(POLL);
        }
        eprintln!("{} did not stop when asked and is killed", self.name);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A folder for one server, which other users may walk through.
fn folder() -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("side-by-side-").tempdir()?;
    fs::set_permissions(folder.path(), Permissions::from_mode(0o755))?;
    Ok(folder)
}

fn on_cpu(cpu: Option<u32>, binary: &Path) -> Command {
    let Some(cpu) = cpu else {
        return Command::new(binary);
    };
    // taskset becomes the server, so the process id is the server's.
    let mut command = Command::new("taskset");
    command.args(["-c", &cpu.to_string()]).arg(binary);
    command
}

/// Without anything of the environment that could steer the server.
fn clean(mut command: Command) -> Command {
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("LOCKKEEPER_") {
            command.env_remove(name);
        }
    }
    command
}

/// A program of this name in PATH, or where only root's PATH leads.
pub(crate) fn installed(program: &str) -> io::Result<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    let found = folders
        .map(|folder| folder.join(program))
        .find(|file| file.is_file());
    found.ok_or_else(|| missing(program))
}

fn missing(package: &str) -> io::Error {
    io::Error::new(
        io::ErrorKind::NotFound,
        format!("{package} is not installed"),
    )
}

fn apache(folder: &Path, address: SocketAddr, root: bool) -> String {
    let folder = folder.display();
    let user = if root {
        "User www-data\nGroup www-data\n"
    } else {
        ""
    };
    let mut text = String::new();
    for module in [
        "mpm_event",
        "authn_core",
        "authn_file",
        "authz_core",
        "authz_user",
        "auth_basic",
        "mime",
        "dav",
        "dav_fs",
        "dav_lock",
    ] {
        text += &format!("LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n");
    }
    text + user
        + &format!(
            "ServerRoot {folder}
ServerName localhost
Listen {address}
PidFile {folder}/pid
ErrorLog {folder}/errors
LogLevel error
LogFormat \"%h %u %t \\\"%r\\\" %>s %b %D\" access
CustomLog {folder}/log access
TypesConfig /etc/mime.types
KeepAlive On
MaxKeepAliveRequests 0
KeepAliveTimeout 60
EnableSendfile On
DocumentRoot {folder}/data
DavLockDB {folder}/locks
<Directory {folder}/data>
    Dav On
    AllowOverride None
    AuthType Basic
    AuthName side-by-side
    AuthBasicProvider file
    AuthUserFile {folder}/htpasswd
    Require valid-user
</Directory>
"
        )
}

const NGINX_DAV: &str = "/usr/lib/nginx/modules/ngx_http_dav_ext_module.so";

fn nginx(folder: &Path, address: SocketAddr, root: bool) -> String {
    let folder = folder.display();
    let user = if root { "user www-data;\n" } else { "" };
    format!(
        "load_module {NGINX_DAV};
daemon off;
{user}worker_processes 1;
pid {folder}/pid;
error_log {folder}/errors crit;
events {{ worker_connections 1024; }}
http {{
    include /etc/nginx/mime.types;
    access_log {folder}/log;
    sendfile on;
    tcp_nopush on;
    keepalive_timeout 60;
    keepalive_requests 1000000000;
    client_max_body_size 0;
    client_body_temp_path {folder}/body;
    dav_ext_lock_zone zone=locks:10m timeout=10m;
    server {{
        listen {address};
        root {folder}/data;
        auth_basic side-by-side;
        auth_basic_user_file {folder}/htpasswd;
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
