//! What each server has done when it says that something is done. A rate without this says little.
//! The syncs were counted with strace, and restarts, kills and second clients were tried, on the
//! versions that Debian 12 has (dufs 0.47).

/// What a server keeps.
#[derive(Debug)]
pub(crate) struct Promise {
    /// As [`super::Server::name`] begins.
    pub(crate) server: &'static str,
    pub(crate) upload: &'static str,
    /// While a file is being replaced, and when that breaks off.
    pub(crate) replacing: &'static str,
    pub(crate) syncs_of_lock_pair: &'static str,
    pub(crate) locks_after_restart: &'static str,
    pub(crate) locks_hold: &'static str,
}

impl Promise {
    pub(crate) const ALL: &[Self] = &[
        Self {
            server: "lockkeeper",
            upload: "synced before it is answered",
            replacing: "whole: old or new",
            syncs_of_lock_pair: "2, each shared with all who wait",
            locks_after_restart: "kept, after kill -9 and power cuts as well",
            locks_hold: "yes; also against DELETE and MOVE of folders above",
        },
        Self {
            server: "apache",
            upload: "not synced",
            replacing: "whole: old or new",
            syncs_of_lock_pair: "4",
            locks_after_restart: "kept",
            locks_hold: "one client at a time; with several its lock database goes wrong \
                         (two holders, tokens refused)",
        },
        Self {
            server: "nginx",
            upload: "not synced",
            replacing: "whole: old or new",
            syncs_of_lock_pair: "0",
            locks_after_restart: "lost",
            locks_hold: "not against DELETE and MOVE of folders above",
        },
        Self {
            server: "lighttpd",
            upload: "not synced",
            replacing: "whole: old or new",
            syncs_of_lock_pair: "8",
            locks_after_restart: "kept",
            locks_hold: "not against DELETE and MOVE of folders above, nor MKCOL in a locked one",
        },
        Self {
            server: "rclone",
            upload: "not synced",
            replacing: "torn",
            syncs_of_lock_pair: "0",
            locks_after_restart: "lost",
            locks_hold: "not against DELETE and MOVE of folders above",
        },
        Self {
            server: "dufs",
            upload: "not synced",
            replacing: "torn; when it breaks off, the file is gone",
            syncs_of_lock_pair: "0",
            locks_after_restart: "there are none",
            locks_hold: "no: each LOCK is granted, nothing is refused",
        },
        Self {
            server: "x/net",
            upload: "not synced",
            replacing: "torn",
            syncs_of_lock_pair: "0",
            locks_after_restart: "lost",
            locks_hold: "not against DELETE and MOVE of folders above",
        },
    ];
}
