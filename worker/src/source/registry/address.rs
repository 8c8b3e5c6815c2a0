//! How far addresses reach, where a registry may lead, and a resolver that knows no other addresses: a public registry
//! must not send a worker to services of its own network, and none to this machine or the cloud's metadata address.

use std::{
    error::Error,
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
};

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

/// How far an address reaches (IANA special-purpose address registries).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// The public Internet.
    Public,
    /// A network of one's own, or one that is set aside.
    Private,
    /// This machine.
    Loopback,
    /// This link: a cloud's metadata service above all.
    Link,
}

/// Where a registry may lead: redirects, and the realm of its token service. Least strict first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Guard {
    /// Anywhere: the user named the address, or it is on this machine.
    Anywhere,
    /// Not to this machine and this link.
    NotLocal,
    /// To public addresses only.
    PublicOnly,
}

impl Guard {
    /// Where an address may lead. `private_redirects` is the setting of that name.
    pub(super) const fn of(reach: Reach, private_redirects: bool) -> Self {
        match reach {
            Reach::Public if !private_redirects => Self::PublicOnly,
            Reach::Public | Reach::Private => Self::NotLocal,
            Reach::Loopback | Reach::Link => Self::Anywhere,
        }
    }

    /// Whether an address is within.
    pub(super) const fn admits(self, reach: Reach) -> bool {
        match self {
            Self::Anywhere => true,
            Self::NotLocal => matches!(reach, Reach::Public | Reach::Private),
            Self::PublicOnly => matches!(reach, Reach::Public),
        }
    }

    /// Whether a URL may be followed, as far as it spells its address out. Names are the resolver's.
    pub(super) fn admits_url(self, url: &Url) -> bool {
        url.host().is_some() && literal(url).is_none_or(|reach| self.admits(reach))
    }
}

/// Resolves names, and refuses those that have an address outside of the guard: whatever a name resolved to before.
pub(super) struct Guarded(pub(super) Guard);

/// A name or address outside of its guard.
#[derive(Debug)]
pub(super) struct Outside(String);

impl fmt::Display for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is not an address that a registry may lead to", self.0)
    }
}

impl Error for Outside {}

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let (host, guard) = (name.as_str().to_owned(), self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((host.as_str(), 0)).await?.collect();
            if let Some(address) = found.iter().find(|address| !guard.admits(reach(address.ip()))) {
                return Err(Outside(format!("{host} ({})", address.ip())).into());
            }
            let addresses: Addrs = Box::new(found.into_iter());
            Ok(addresses)
        })
    }
}

/// Whether an error comes from [`Guarded`].
pub(super) fn is_refusal(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        if error.is::<Outside>() {
            return true;
        }
        next = error.source();
    }
    false
}

/// How far the address reaches that a URL spells out; `None` where it names a host.
pub(super) fn literal(url: &Url) -> Option<Reach> {
    match url.host()? {
        Host::Ipv4(address) => Some(reach(IpAddr::V4(address))),
        Host::Ipv6(address) => Some(reach(IpAddr::V6(address))),
        Host::Domain(name) => strata_proto::reference::is_loopback(name).then_some(Reach::Loopback),
    }
}

/// The metadata services of clouds that have no link-local address.
const METADATA: [IpAddr; 2] = [
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// How far an address reaches.
pub(super) fn reach(address: IpAddr) -> Reach {
    let address = carried(address);
    let (loopback, link, public) = match address {
        IpAddr::V4(v4) => (v4.is_loopback() || v4.is_unspecified(), v4.is_link_local(), is_public_v4(v4)),
        IpAddr::V6(v6) => {
            let link = v6.segments().first().is_some_and(|first| first & 0xffc0 == 0xfe80);
            (v6.is_loopback() || v6.is_unspecified(), link, is_public_v6(v6))
        }
    };
    if loopback {
        Reach::Loopback
    } else if link || METADATA.contains(&address) {
        Reach::Link
    } else if public {
        Reach::Public
    } else {
        Reach::Private
    }
}

/// The IPv4 address that an IPv6 address carries: mapped, translated (64:ff9b::/96), 6to4 (2002::/16).
fn carried(address: IpAddr) -> IpAddr {
    let IpAddr::V6(v6) = address else { return address };
    if let Some(v4) = v6.to_ipv4_mapped() {
        return IpAddr::V4(v4);
    }
    let v4 = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        IpAddr::V4(Ipv4Addr::new(a, b, c, d))
    };
    match v6.segments() {
        [0x64, 0xff9b, .., high, low] => v4(high, low),
        [0x2002, high, low, ..] => v4(high, low),
        _ => address,
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    !(address.is_private()
        || address.is_loopback()
        || address.is_link_local()
        || address.is_broadcast()
        || address.is_documentation()
        || address.is_multicast()
        || a == 0
        || a >= 240
        // Shared by carriers; benchmarks; protocol assignments.
        || (a == 100 && (64..128).contains(&b))
        || (a == 198 && (18..20).contains(&b))
        || (a == 192 && b == 0 && c == 0))
}

/// Global unicast is 2000::/3; documentation and Teredo lie inside of it.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [first, second, ..] = address.segments();
    (first & 0xe000) == 0x2000 && !(first == 0x2001 && (second == 0x0db8 || second == 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn how_far_addresses_reach() {
        use Reach::{Link, Loopback, Private, Public};
        for (want, addresses) in [
            (Public, "1.1.1.1 8.8.8.8 172.32.0.1 100.128.0.1 2606:4700::1 64:ff9b::808:808"),
            (
                Private,
                "10.1.2.3 172.16.0.1 192.168.1.1 100.64.0.1 198.18.0.1 192.0.0.1 224.0.0.1 255.255.255.255 240.0.0.1 \
                 0.1.2.3 fd00::1 ff02::1 ::ffff:10.0.0.1 64:ff9b::a00:1 2002:a00:1:: 2001:db8::1",
            ),
            (Loopback, "127.0.0.1 127.9.9.9 0.0.0.0 ::1 :: ::ffff:127.0.0.1 64:ff9b::7f00:1"),
            (
                Link,
                "169.254.169.254 169.254.170.2 ::ffff:169.254.169.254 fe80::1 fd00:ec2::254 100.100.100.200",
            ),
        ] {
            for text in addresses.split_whitespace() {
                assert_eq!(reach(text.parse().unwrap()), want, "{text}");
            }
        }
    }

    #[test]
    fn where_a_registry_may_lead() {
        use Reach::{Link, Loopback, Private, Public};
        for (from, allowed, to) in [
            (Public, false, vec![Public]),
            (Public, true, vec![Public, Private]),
            (Private, false, vec![Public, Private]),
            (Loopback, false, vec![Public, Private, Loopback, Link]),
        ] {
            for target in [Public, Private, Loopback, Link] {
                let admits = Guard::of(from, allowed).admits(target);
                assert_eq!(admits, to.contains(&target), "{from:?} {allowed} {target:?}");
            }
        }
        for (url, public_only, not_local) in [
            ("http://169.254.169.254/latest", false, false),
            ("http://[::1]/", false, false),
            ("http://localhost/", false, false),
            ("http://10.0.0.1/", false, true),
            // The URL parser knows the odd spellings of an address.
            ("http://0x7f.1/", false, false),
            ("http://2130706433/", false, false),
            ("http://0251.0376.0251.0376/", false, false),
            ("http://167772161/", false, true),
            ("https://r.example/", true, true),
            ("https://8.8.8.8/", true, true),
        ] {
            let url = Url::parse(url).unwrap();
            assert_eq!(Guard::PublicOnly.admits_url(&url), public_only, "{url}");
            assert_eq!(Guard::NotLocal.admits_url(&url), not_local, "{url}");
            assert!(Guard::Anywhere.admits_url(&url), "{url}");
        }
    }

    #[tokio::test]
    async fn the_resolver_refuses_loopback() {
        for guard in [Guard::PublicOnly, Guard::NotLocal] {
            let error = Guarded(guard).resolve("localhost".parse().unwrap()).await.err().unwrap();
            assert!(is_refusal(error.as_ref()), "{error}");
        }
        assert!(Guarded(Guard::Anywhere).resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
