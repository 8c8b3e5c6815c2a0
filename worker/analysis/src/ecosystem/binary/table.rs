//! The products. Each signature is what the product prints as its own version, or where its build came from; the texts
//! were read off binaries of Debian and of the products' own releases. The cases say of which products that is not so.

mod programs;

use super::signature::{
    Find::{Before, Between, Glued, Number, NumberInName, Only, Release},
    Name::{Is, Library, Numbered},
    Row, after, between, number, product,
};

/// Every product, the more telling first where two share a file name.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    TABLE.iter().chain(programs::TABLE)
}

/// Programs and libraries of every language but Go.
static TABLE: &[Row] = &[
    // Languages.
    product("node", "nodejs:node.js", 3)
        .named(&[Is("node"), Library("libnode.so")])
        .found(&[after(b"/download/release/v"), after(b"node.js/v")])
        .listed("node"),
    product("python", "python:python", 3)
        .named(&[Numbered("python"), Library("libpython")])
        .found(&[NumberInName])
        .listed("python"),
    product("ruby", "ruby-lang:ruby", 3)
        .named(&[Numbered("ruby"), Library("libruby")])
        .found(&[Release(b"\0ruby ")])
        .listed("ruby"),
    product("php", "php:php", 3)
        .named(&[Numbered("php"), Numbered("php-fpm"), Numbered("php-cgi"), Library("libphp")])
        .found(&[after(b"X-Powered-By: PHP/")])
        .listed("php"),
    product("perl", "perl:perl", 3).named(&[Numbered("perl"), Library("libperl.so")]).found(&[Between {
        before: b"\0v5.",
        keep: 2,
        after: b"\0",
    }]),
    product("lua", "lua:lua", 3)
        .named(&[Numbered("lua"), Library("liblua")])
        .found(&[between(b"Lua ", b"  Copyright")])
        .listed("lua"),
    product("erlang-otp", "erlang:erlang\\/otp", 2)
        .named(&[Is("beam.smp"), Is("beam"), Is("erlexec")])
        .found(&[number(b"/otp_src_"), number(b"/src/otp-")]),
    product("erlang", "erlang:erts", 2)
        .named(&[Is("beam.smp"), Is("beam")])
        .found(&[after(b"emulator version ")]),
    product("pypy", "pypy:pypy", 3).named(&[Library("libpypy")]).found(&[number(b"[PyPy ")]),
    product("rust", "rust-lang:rust", 3)
        .named(&[Library("libstd-")])
        .found(&[number(b"rustc version "), number(b"/rustc-")]),
    product("julia", "julialang:julia", 3)
        .named(&[Library("libjulia")])
        .found(&[Before(b"\0julia version %s"), Before(b"\0verify")]),
    product("deno", "deno:deno", 3)
        .named(&[Is("deno")])
        .found(&[Number { before: b"Deno/2.", keep: 2 }, Number { before: b"Deno/1.", keep: 2 }]),
    product("bun", "bun:bun", 3).named(&[Is("bun"), Is("bunx")]).found(&[number(b"Bun v")]),
    product("gcc", "gnu:gcc", 3).named(&[Is("gcc"), Is("g++"), Is("cc1")]).found(&[number(b"GCC: (GNU) ")]),
    product("mono", "mono-project:mono", 4)
        .named(&[Is("mono"), Is("mono-sgen")])
        .found(&[between(b"--version=number\0", b"\0")]),
    product("guile", "gnu:guile", 3)
        .named(&[Numbered("guile"), Library("libguile")])
        .found(&[between(b"guileversion\0", b"\0")]),
    product("tcl", "tcl:tcl", 3).named(&[Library("libtcl")]).found(&[Before(b"\0tcl_patchLevel")]),
    // Stores.
    product("redis", "redis:redis", 3)
        .named(&[
            Is("redis-server"),
            Is("redis-sentinel"),
            Is("redis-check-rdb"),
            Is("redis-check-aof"),
            Is("redis-cli"),
        ])
        .found(&[Glued(b"\0%llx\0")])
        .listed("redis"),
    product("valkey", "lfprojects:valkey", 3)
        .named(&[Is("valkey-server"), Is("valkey-sentinel"), Is("valkey-check-rdb"), Is("valkey-cli")])
        .found(&[Glued(b"\0%llx\0")])
        .listed("valkey"),
    product("mongodb", "mongodb:mongodb", 3)
        .named(&[Is("mongod"), Is("mongos")])
        .found(&[Before(b"\0tcmalloc"), Before(b"\0heap_size"), Before(b"\0cppdefines")])
        .listed("mongodb"),
    product("arangodb", "arangodb:arangodb", 3)
        .named(&[Is("arangod"), Is("arangosh")])
        .found(&[Before(b" [linux]"), Before(b" enterprise [linux]")])
        .listed("arangodb"),
    product("memcached", "memcached:memcached", 3)
        .named(&[Is("memcached")])
        .found(&[between(b"\0memcached ", b"\0")])
        .listed("memcached"),
    product("postgresql", "postgresql:postgresql", 1)
        .named(&[Is("postgres"), Is("psql"), Is("pg_dump")])
        .found(&[after(b"(PostgreSQL) ")])
        .listed("postgresql"),
    product("mariadb", "mariadb:mariadb", 3)
        .named(&[Is("mariadbd"), Is("mysqld"), Is("mariadb"), Is("mysql")])
        .found(&[Before(b"-MariaDB\0")])
        .listed("mariadb"),
    product("percona-server", "percona:percona_server", 3)
        .named(&[Is("mysqld"), Is("mysql")])
        .found(&[number(b"/percona-server-")]),
    product("mysql", "oracle:mysql", 3)
        .named(&[Is("mysqld"), Is("mysql")])
        .found(&[between(b"/mysql-", b"/")])
        .listed("mysql"),
    product("sqlite", "sqlite:sqlite", 3)
        .named(&[Library("libsqlite3.so")])
        .found(&[Between { before: b"\x003.", keep: 2, after: b"\0" }])
        .listed("sqlite"),
    product("openldap", "openldap:openldap", 3)
        .named(&[Is("slapd")])
        .found(&[after(b"$OpenLDAP: slapd ")])
        .listed("openldap"),
    product("pgbouncer", "pgbouncer:pgbouncer", 3)
        .named(&[Is("pgbouncer")])
        .found(&[after(b"PgBouncer ")])
        .listed("pgbouncer"),
    // Servers.
    product("openresty", "openresty:openresty", 3)
        .named(&[Is("nginx"), Is("openresty")])
        .found(&[after(b"\0openresty/"), after(b"nginx version: openresty/")])
        .listed("openresty"),
    product("nginx", "f5:nginx", 3)
        .named(&[Is("nginx"), Is("nginx-debug")])
        .found(&[after(b"\0nginx/"), after(b"nginx version: nginx/")])
        .listed("nginx"),
    product("httpd", "apache:http_server", 3)
        .named(&[Is("httpd"), Is("apache2")])
        .found(&[after(b"\0Apache/")])
        .listed("apache"),
    product("haproxy", "haproxy:haproxy", 2)
        .named(&[Is("haproxy")])
        .found(&[between(b"version ", b", released 20")])
        .listed("haproxy"),
    product("envoy", "envoyproxy:envoy", 3)
        .named(&[Is("envoy")])
        .found(&[Only { from: "1.5.0", to: "2.0.0", proof: b"envoy.service.discovery" }])
        .listed("envoy"),
    product("hitch", "varnish-software:hitch", 3).named(&[Is("hitch")]).found(&[number(b"\0hitch ")]),
    product("bind", "isc:bind", 3).named(&[Is("named")]).found(&[number(b"\0libisc-")]),
    product("dnsmasq", "thekelleys:dnsmasq", 2).named(&[Is("dnsmasq")]).found(&[number(b"\0dnsmasq-")]),
    product("knot", "nic:knot", 3).named(&[Is("knotd")]).found(&[number(b"\0Knot DNS ")]),
    product("nsd", "nlnetlabs:nsd", 3).named(&[Is("nsd")]).found(&[number(b"\0NSD ")]),
    product("powerdns-recursor", "powerdns:recursor", 3)
        .named(&[Is("pdns_recursor")])
        .found(&[number(b"\0pdns-recursor ")]),
    product("keepalived", "keepalived:keepalived", 3)
        .named(&[Is("keepalived")])
        .found(&[number(b"\0Keepalived v")]),
    product("kamailio", "kamailio:kamailio", 3).named(&[Is("kamailio")]).found(&[number(b"kamailio (")]),
    product("strongswan", "strongswan:strongswan", 3)
        .named(&[Is("charon"), Is("charon-systemd")])
        .found(&[number(b"(strongSwan ")]),
    product("openvswitch", "openvswitch:openvswitch", 3)
        .named(&[Is("ovs-vswitchd"), Is("ovsdb-server")])
        .found(&[number(b"Open vSwitch Library ")]),
    product("rsyslog", "rsyslog:rsyslog", 3).named(&[Is("rsyslogd")]).found(&[number(b"swVersion=\"")]),
    product("fluent-bit", "treasuredata:fluent_bit", 3)
        .named(&[Is("fluent-bit")])
        .found(&[Before(b"\0%sFluent Bit"), Before(b"\0Fluent Bit")])
        .listed("fluent-bit"),
    product("collectd", "collectd:collectd", 3).named(&[Is("collectd")]).found(&[number(b"\ncollectd ")]),
    product("zabbix", "zabbix:zabbix", 3)
        .named(&[Is("zabbix_server"), Is("zabbix_proxy"), Is("zabbix_agentd")])
        .found(&[number(b"\0Zabbix ")]),
    product("monit", "mmonit:monit", 3).named(&[Is("monit")]).found(&[number(b"'>monit ")]),
    product("cups", "openprinting:cups", 3).named(&[Is("cupsd")]).found(&[number(b"\0CUPS/")]),
    product("icecast", "xiph:icecast", 3)
        .named(&[Is("icecast"), Is("icecast2")])
        .found(&[number(b"\0Icecast ")]),
    product("dropbear", "dropbear_ssh_project:dropbear_ssh", 2)
        .named(&[Is("dropbear"), Is("dropbearmulti")])
        .found(&[number(b"SSH-2.0-dropbear_")]),
    product("varnish", "varnish-software:varnish_cache", 3)
        .named(&[Is("varnishd")])
        .found(&[between(b"varnish-", b" revision")])
        .listed("varnish"),
    product("lighttpd", "lighttpd:lighttpd", 3).named(&[Is("lighttpd")]).found(&[after(b"\0lighttpd/")]),
    product("squid", "squid-cache:squid", 2).named(&[Is("squid")]).found(&[after(b"\0squid/")]),
    product("postfix", "postfix:postfix", 3).named(&[Is("postconf")]).found(&[after(b"mail_version=")]),
    product("exim", "exim:exim", 2)
        .named(&[Is("exim"), Is("exim4")])
        .found(&[between(b"<<eximcnumber>>\0", b"\0<<eximversion>>")]),
    product("dovecot", "dovecot:dovecot", 2).named(&[Is("dovecot")]).found(&[after(b"Dovecot v")]),
    product("unbound", "nlnetlabs:unbound", 3)
        .named(&[Is("unbound")])
        .found(&[between(b"\0unbound ", b"\0")]),
    product("openssh", "openbsd:openssh", 2)
        .named(&[Is("sshd"), Is("ssh"), Is("sshd-session")])
        .found(&[after(b"\0OpenSSH_")]),
    product("tor", "torproject:tor", 4).named(&[Is("tor")]).found(&[between(b"\0tor ", b"\0")]),
    product("vsftpd", "vsftpd_project:vsftpd", 3).named(&[Is("vsftpd")]).found(&[after(b"vsftpd: version ")]),
    product("proftpd", "proftpd:proftpd", 3).named(&[Is("proftpd")]).found(&[after(b"ProFTPD Version ")]),
    product("mosquitto", "eclipse:mosquitto", 3)
        .named(&[Is("mosquitto")])
        .found(&[Before(b"\0mosquitto version %s")]),
    product("openvpn", "openvpn:openvpn", 3).named(&[Is("openvpn")]).found(&[after(b"\0OpenVPN ")]),
    product("samba", "samba:samba", 3).named(&[Is("smbd")]).found(&[after(b"\0SAMBA_")]),
    product("freeradius", "freeradius:freeradius", 3)
        .named(&[Is("radiusd"), Is("freeradius")])
        .found(&[after(b"FreeRADIUS Version ")]),
    product("coturn", "coturn_project:coturn", 3).named(&[Is("turnserver")]).found(&[after(b"\0Coturn-")]),
    product("stunnel", "stunnel:stunnel", 2)
        .named(&[Is("stunnel"), Is("stunnel4")])
        .found(&[after(b"stunnel/")]),
    // Tools.
    product("busybox", "busybox:busybox", 3).named(&[Is("busybox")]).found(&[after(b"BusyBox v")]),
    product("bash", "gnu:bash", 3).named(&[Is("bash")]).found(&[after(b"@(#)Bash version ")]),
    product("gawk", "gnu:gawk", 3).named(&[Is("gawk")]).found(&[after(b"GNU Awk ")]),
    product("git", "git-scm:git", 3).named(&[Is("git")]).found(&[after(b"git/")]).listed("git"),
    product("curl", "haxx:curl", 3).named(&[Is("curl")]).found(&[after(b"curl/")]),
    product("xz", "tukaani:xz", 3).named(&[Is("xz")]).found(&[after(b"xz (XZ Utils) ")]),
    product("zstd", "facebook:zstandard", 3).named(&[Is("zstd")]).found(&[Before(b"\0Zstandard CLI")]),
    product("util-linux", "kernel:util-linux", 2)
        .named(&[Is("getopt"), Is("mount")])
        .found(&[between(b"\0util-linux ", b"\0")]),
    product("sudo", "sudo_project:sudo", 3).named(&[Is("sudo")]).found(&[after(b"Sudo version %s\n\0")]),
    product("tcpdump", "tcpdump:tcpdump", 3)
        .named(&[Is("tcpdump")])
        .found(&[between(b"\0%s version ", b"\n")]),
    product("nmap", "nmap:nmap", 2).named(&[Is("nmap")]).found(&[Before(b"\0Nmap\0")]),
    product("irssi", "irssi:irssi", 3).named(&[Is("irssi")]).found(&[number(b"\0Client: irssi ")]),
    product("chrome", "google:chrome", 4).named(&[Is("chrome")]).found(&[Before(b"\0Default")]),
    product("ffmpeg", "ffmpeg:ffmpeg", 2)
        .named(&[Is("ffmpeg"), Is("ffprobe"), Library("libavcodec.so")])
        .found(&[after(b"FFmpeg version "), after(b"\0%s version ")]),
    product("tini", "tini_project:tini", 3)
        .named(&[Is("tini"), Is("tini-static")])
        .found(&[after(b"tini version ")]),
    // Libraries.
    product("openssl", "openssl:openssl", 3)
        .named(&[Is("openssl"), Library("libcrypto.so")])
        .found(&[between(b"\0OpenSSL ", b" ")]),
    product("libcurl", "haxx:libcurl", 3)
        .named(&[Library("libcurl.so"), Library("libcurl-gnutls.so")])
        .found(&[after(b"libcurl/")]),
    product("gnutls", "gnu:gnutls", 3).named(&[Library("libgnutls.so")]).found(&[after(b"Enabled GnuTLS ")]),
    product("zlib", "zlib:zlib", 2)
        .named(&[Library("libz.so")])
        .found(&[between(b" deflate ", b" Copyright")]),
    product("expat", "libexpat_project:libexpat", 3)
        .named(&[Library("libexpat.so")])
        .found(&[after(b"\0expat_")]),
    product("libpng", "libpng:libpng", 3).named(&[Library("libpng")]).found(&[after(b"libpng version ")]),
    product("libtiff", "libtiff:libtiff", 3)
        .named(&[Library("libtiff.so")])
        .found(&[after(b"LIBTIFF, Version ")]),
    product("libssh", "libssh:libssh", 3).named(&[Library("libssh.so")]).found(&[number(b"SSH-2.0-libssh_")]),
    product("libssh2", "libssh2:libssh2", 3)
        .named(&[Library("libssh2.so")])
        .found(&[number(b"SSH-2.0-libssh2_")]),
    product("libgcrypt", "gnupg:libgcrypt", 3)
        .named(&[Library("libgcrypt.so")])
        .found(&[number(b"This is Libgcrypt ")]),
    product("libarchive", "libarchive:libarchive", 3)
        .named(&[Library("libarchive.so")])
        .found(&[number(b"\0libarchive ")]),
    product("libjpeg-turbo", "libjpeg-turbo:libjpeg-turbo", 3)
        .named(&[Library("libjpeg.so"), Library("libturbojpeg.so")])
        .found(&[number(b"libjpeg-turbo version ")]),
    product("qt", "qt:qt", 3)
        .named(&[Library("libQt5Core.so"), Library("libQt6Core.so")])
        .found(&[number(b"\0Qt ")]),
];
