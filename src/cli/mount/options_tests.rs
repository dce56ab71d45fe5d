//! The option parser, case by case, and its table against the manual page.

#![allow(clippy::unwrap_used)]

use super::*;

const MANUAL: &str = include_str!("../../../docs/cli/mount.pxfs.md");

fn parse(text: &str) -> Result<MountOptions, OptionError> {
    MountOptions::parse([text], false)
}

#[test]
fn each_option_sets_its_field() {
    type Check = fn(&MountOptions) -> bool;
    let cases: &[(&str, Check)] = &[
        ("", |o| *o == MountOptions::default()),
        (",,ro,", |o| *o == MountOptions::default()),
        ("rw", |o| o.read_write),
        ("rw,ro", |o| !o.read_write),
        ("uid=1000,gid=users", |o| {
            o.uid == Some(Owner::Id(1000)) && o.gid == Some(Owner::Name("users".into()))
        }),
        ("umask=022", |o| o.masks() == (0o022, 0o022)),
        ("umask=077,fmask=137", |o| o.masks() == (0o137, 0o077)),
        ("dmask=0", |o| o.masks() == (0, 0)),
        ("allow_other", |o| o.allow_other),
        ("allow_root", |o| o.allow_root),
        ("threads=3", |o| o.threads == 3),
        ("latency=low", |o| o.low_latency),
        ("latency=normal", |o| !o.low_latency),
        ("mem=64K", |o| o.mem == 65_536),
        ("mem=2GiB", |o| o.mem == 2 << 30),
        ("mem=5000", |o| o.mem == 5000),
        ("offset=4096", |o| o.offset == 4096),
        ("subdir=/a/b", |o| o.subdir == Some("/a/b".into())),
        (r"fsname=a\,b\\c", |o| o.fsname.as_deref() == Some(r"a,b\c")),
        ("fsname=a=b", |o| o.fsname.as_deref() == Some("a=b")),
        ("idle_timeout=60", |o| o.idle_timeout == Some(Duration::from_secs(60))),
        ("idle_timeout=60,idle_timeout=0", |o| o.idle_timeout.is_none()),
        ("log_level=debug", |o| o.log_level == Some(LevelFilter::Debug)),
        ("log_file=/x", |o| o.log_file == Some("/x".into())),
        ("dev,suid,noexec,noatime", |o| o.dev && o.suid && !o.exec && o.noatime),
        ("dev,suid,noexec,nodev,nosuid,exec", |o| !o.dev && !o.suid && o.exec),
        ("rw,_netdev,nofail,user=bob,comment=x,x-systemd.automount,X-mount.mkdir=755", |o| {
            *o == MountOptions { read_write: true, ..MountOptions::default() }
        }),
    ];
    for (text, holds) in cases {
        assert!(holds(&parse(text).unwrap()), "{text}: {:?}", parse(text));
    }
}

#[test]
fn what_is_wrong_is_refused_by_name() {
    for (text, message) in [
        ("ro,bogus", "unknown option 'bogus': see 'mount.pxfs --help'"),
        ("bogus=1", "unknown option 'bogus': see 'mount.pxfs --help'"),
        ("uid", "option 'uid' needs a value: uid=USER"),
        ("ro=1", "option 'ro' takes no value"),
        ("umask=8", "option 'umask=8': expected octal permissions, 0 to 7777"),
        ("umask=+7", "option 'umask=+7': expected octal permissions, 0 to 7777"),
        ("fmask=10000", "option 'fmask=10000': expected octal permissions, 0 to 7777"),
        ("latency=none", "option 'latency=none': expected low or normal"),
        ("threads=0", "option 'threads=0': expected 1 to 64"),
        ("threads=65", "option 'threads=65': expected 1 to 64"),
        ("mem=0", "option 'mem=0': nothing can be read without memory: at least 1M is sensible"),
        ("mem=1X", "option 'mem=1X': expected a size such as 4096, 64K, 256M or 2G"),
        (
            "mem=99999999999T",
            "option 'mem=99999999999T': expected a size such as 4096, 64K, 256M or 2G",
        ),
        ("offset=-1", "option 'offset=-1': expected a size such as 4096, 64K, 256M or 2G"),
        ("digest=abc", "option 'digest=abc': expected the 64 hexadecimal digits of 'pxfs info'"),
        ("digest=+1", "option 'digest=+1': expected the 64 hexadecimal digits of 'pxfs info'"),
        ("idle_timeout=1m", "option 'idle_timeout=1m': expected seconds; 0 means never"),
        (
            "log_level=loud",
            "option 'log_level=loud': expected off, error, warn, info, debug or trace",
        ),
        ("fsname=", "option 'fsname=': expected a name"),
        ("uid=-1", "option 'uid=-1': expected a name or a number"),
        ("allow_other,allow_root", "allow_other and allow_root exclude each other"),
        ("remount,ro", "remounting is not there yet: unmount the picture and mount it again"),
    ] {
        assert_eq!(parse(text).unwrap_err().to_string(), message);
    }
}

#[test]
fn sloppy_passes_over_unknown_options_but_not_over_wrong_values() {
    let options = MountOptions::parse(["bogus,threads=2", "other=1"], true).unwrap();
    assert_eq!(options.threads, 2);
    assert!(MountOptions::parse(["threads=x"], true).is_err());
}

#[test]
fn several_o_are_one_list_in_order() {
    let options = MountOptions::parse(["threads=2,uid=1", "threads=3"], false).unwrap();
    assert_eq!((options.threads, options.uid), (3, Some(Owner::Id(1))));
}

#[test]
fn the_manual_page_names_every_option() {
    for spec in SPECS {
        let written = match spec.value {
            Some(value) => format!("`{}={value}`", spec.name),
            None => format!("`{}`", spec.name),
        };
        assert!(MANUAL.contains(&written), "docs/cli/mount.pxfs.md lacks {written}");
    }
    for name in IGNORED {
        assert!(MANUAL.contains(&format!("`{name}`")), "docs/cli/mount.pxfs.md lacks `{name}`");
    }
    for prefix in IGNORED_PREFIXES {
        assert!(MANUAL.contains(&format!("`{prefix}*`")), "docs/cli/mount.pxfs.md lacks {prefix}");
    }
}
