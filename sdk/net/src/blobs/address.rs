//! Which addresses are on the public internet.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// True if a stranger may make us ask this address. False for this machine, private networks and
/// everything else that is not an ordinary host of the internet, and for IPv6 forms that carry an
/// IPv4 address (a gateway may lead back inside).
pub(super) fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let reserved = match address.octets() {
        [0, ..] => true,                        // "this network"
        [100, b, ..] => b & 0xc0 == 64,         // carrier-grade NAT, 100.64/10
        [192, 0, 0, _] => true,                 // protocol assignments
        [192, 88, 99, _] => true,               // 6to4 relays
        [198, b, ..] if b & 0xfe == 18 => true, // benchmarks, 198.18/15
        [first, ..] => first >= 224,            // multicast, reserved, broadcast
    };
    !(reserved
        || address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_documentation())
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    // Global unicast is 2000::/3 and nothing else; inside it are a few special blocks.
    match address.segments() {
        [0x2001, b, ..] if b < 0x200 => false, // protocol assignments, Teredo among them
        [0x2001, 0x0db8, ..] => false,         // documentation
        [0x2002, ..] => false,                 // 6to4, carries an IPv4 address
        [0x3fff, b, ..] if b < 0x1000 => false, // documentation
        [first, ..] => first & 0xe000 == 0x2000,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn only_ordinary_hosts() {
        for public in [
            "1.1.1.1",
            "100.63.0.1",
            "100.128.0.1",
            "198.17.0.1",
            "198.20.0.1",
            "172.32.0.1",
            "223.255.255.1",
            "2606:4700::1",
            "2a00:1450::1",
            "2001:4860::8888",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.9.9.9",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:8.8.8.8",
            "64:ff9b::a00:1",
            "100::1",
            "fc00::1",
            "fd12::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
            "3fff::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }
}
