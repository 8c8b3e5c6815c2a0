use std::collections::BTreeMap;

use super::{Identity, identify, read};
use crate::model::Release;

fn identity(files: &[(&str, &str)]) -> Option<(String, String)> {
    let releases: BTreeMap<&str, Release> =
        files.iter().map(|(path, text)| (*path, read(path, text.as_bytes()))).collect();
    match identify(|path| releases.get(path)) {
        Identity::Known(distribution) => Some((distribution.id, distribution.version)),
        Identity::Incomplete(_) | Identity::Absent => None,
    }
}

#[test]
fn release_files() {
    let known = |id: &str, version: &str| Some((id.to_owned(), version.to_owned()));
    for (files, expected) in [
        (&[("etc/os-release", "ID=debian\nVERSION_ID=\"12\"\n")][..], known("debian", "12")),
        (
            &[(
                "etc/os-release",
                "PRETTY_NAME=\"Debian GNU/Linux trixie/sid\"\nVERSION_CODENAME=trixie\nID=debian\n",
            )],
            known("debian", ""),
        ),
        (&[("usr/lib/os-release", "ID='Alpine'\nVERSION_ID=3.10.2")], known("alpine", "3.10.2")),
        (&[("etc/os-release", "NAME=\"Alpine Linux\"\nVERSION_ID=3.15.4\n")], None),
        (&[("etc/os-release", "ID=alpine\n")], None),
        (&[("etc/os-release", "ID=alpine\n"), ("etc/alpine-release", "3.15.4\n")], known("alpine", "3.15.4")),
        (&[("etc/os-release", "ID=arch\nBUILD_ID=rolling\n")], known("arch", "")),
        (&[("etc/os-release", "ID=wolfi\nVERSION_ID=\"20230201\"\n")], known("wolfi", "20230201")),
        (&[("etc/os-release", "# ID=no\nID=\"a\\\"b\"\nVERSION_ID=1\n")], known("a\"b", "1")),
        (&[("etc/debian_version", "7.8\n")], known("debian", "7.8")),
        (&[("etc/debian_version", "trixie/sid\n")], None),
        (
            &[
                ("etc/debian_version", "jessie/sid\n"),
                ("etc/lsb-release", "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=14.04\n"),
            ],
            known("ubuntu", "14.04"),
        ),
        (&[("etc/centos-release", "CentOS release 6.10 (Final)\n")], known("centos", "6.10")),
        (
            &[("etc/redhat-release", "Red Hat Enterprise Linux Server release 6.10 (Santiago)\n")],
            known("rhel", "6.10"),
        ),
        (&[("etc/system-release", "Amazon Linux AMI release 2018.03\n")], known("amzn", "2018.03")),
        (&[("etc/oracle-release", "Oracle Linux Server release 7.9\n")], known("ol", "7.9")),
        (
            &[("etc/photon-release", "VMware Photon Linux 1.0\nPHOTON_BUILD_NUMBER=62c543d\n")],
            known("photon", "1.0"),
        ),
        (&[("etc/SuSE-release", "openSUSE 13.1 (x86_64)\nVERSION = 13.1\n")], known("opensuse", "13.1")),
        (&[("etc/redhat-release", "Fedora release 38 (Thirty Eight)\n")], known("fedora", "38")),
        (&[("etc/redhat-release", "Strange OS release 1\n")], None),
        (&[], None),
    ] {
        assert_eq!(identity(files), expected, "{files:?}");
    }
}
