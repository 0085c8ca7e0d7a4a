//! Telling systemd how we are: `READY=1` once the daemon serves, `STOPPING=1` on the way down (sd_notify(3)). Nothing without systemd.

use std::os::unix::net::UnixDatagram;

/// Sends one state to the socket systemd named, if it named one.
pub(super) fn notify(state: &str) {
    use std::os::linux::net::SocketAddrExt as _;
    let Some(name) = std::env::var_os("NOTIFY_SOCKET") else { return };
    let sent = (|| {
        let socket = UnixDatagram::unbound()?;
        match name.to_str().and_then(|name| name.strip_prefix('@')) {
            Some(hidden) => {
                let address = std::os::unix::net::SocketAddr::from_abstract_name(hidden)?;
                socket.send_to_addr(state.as_bytes(), &address)
            }
            None => socket.send_to(state.as_bytes(), &name),
        }
    })();
    if let Err(error) = sent {
        tracing::warn!(%error, "systemd was not told {state}");
    }
}
