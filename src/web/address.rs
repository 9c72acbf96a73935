//! Which addresses count as one.

use std::net::{IpAddr, Ipv6Addr};

/// One IPv6 household owns a /64, so its addresses count as one.
pub(super) fn network(peer: IpAddr) -> IpAddr {
    match peer.to_canonical() {
        IpAddr::V6(address) => {
            IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << 64)))
        }
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours() {
        fn check(peer: &str, expect: &str) {
            let expect: IpAddr = expect.parse().unwrap();
            assert_eq!(network(peer.parse().unwrap()), expect, "{peer}");
        }
        check("192.0.2.1", "192.0.2.1");
        check("::ffff:192.0.2.1", "192.0.2.1");
        check("2001:db8::1:2", "2001:db8::");
        check("2001:db8:0:1::2", "2001:db8:0:1::");
    }
}
