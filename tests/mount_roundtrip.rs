//! Real mounts through the binary: what comes back is what went in, as root, as
//! an ordinary user and through mount(8), and every way a mount may end.
//! A missing /dev/fuse fails these tests; they never skip.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs::{self, File};
use std::io::{Read, Seek as _, SeekFrom};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{PidfdFlags, PidfdGetfdFlags, pidfd_getfd, pidfd_open};
use sha2::{Digest, Sha256};
use support::compare::{assert_same_tree, xattr};
use support::{
    Mounted, NOBODY, PXFS, is_mounted, mkfs, nasty_tree, need_fuse, need_root, pxfs, run, sh,
    temp_dir, wait_for,
};

/// A picture of a few files, in a directory of its own.
struct World {
    dir: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        let world = Self { dir: temp_dir() };
        let source = world.path("source");
        fs::create_dir_all(source.join("sub/deeper")).unwrap();
        fs::write(source.join("hello.txt"), "hello\n").unwrap();
        fs::write(source.join("sub/deeper/large"), vec![b'x'; 5_000_000]).unwrap();
        fs::write(source.join("clash-1"), "pixel probe 72644\n").unwrap();
        fs::write(source.join("clash-2"), "pixel probe 83008\n").unwrap();
        mkfs(&world.picture(), &source);
        world
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn picture(&self) -> PathBuf {
        self.path("world.png")
    }

    fn mount(&self, options: &str) -> Mounted {
        Mounted::new(&self.picture(), &self.path("mnt"), options)
    }
}

/// The process that serves, from the file that `--pid-file` wrote.
fn mount_with_pid(world: &World) -> (Mounted, rustix::process::Pid) {
    let (dir, pid_file) = (world.path("mnt"), world.path("pid"));
    need_fuse();
    fs::create_dir_all(&dir).unwrap();
    let mounted = Mounted::guard(&dir);
    let picture = world.picture();
    let args = [
        "mount".as_ref(),
        picture.as_os_str(),
        dir.as_os_str(),
        "--pid-file".as_ref(),
        pid_file.as_os_str(),
    ];
    pxfs(args).expect(0);
    let pid = fs::read_to_string(&pid_file).unwrap().trim().parse().unwrap();
    (mounted, rustix::process::Pid::from_raw(pid).unwrap())
}

fn is_running(pid: rustix::process::Pid) -> bool {
    // A process that is dead but not reaped by its parent still has an entry.
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

#[test]
fn a_nasty_tree_comes_back_identical() {
    need_root();
    let dir = temp_dir();
    let (tree, picture) = (dir.path().join("tree"), dir.path().join("tree.png"));
    nasty_tree(&tree);
    mkfs(&picture, &tree);
    let mounted = Mounted::new(&picture, &dir.path().join("mnt"), "");
    assert_same_tree(&tree, &mounted.dir);
    mounted.unmount();
}

#[test]
fn an_opaque_picture_carries_the_same_tree() {
    need_root();
    let dir = temp_dir();
    let (tree, picture) = (dir.path().join("tree"), dir.path().join("tree.png"));
    nasty_tree(&tree);
    let args = ["mkfs", "--quiet", "--channels=rgb", "--codec=none", "--width=1000"];
    pxfs(args.map(Into::into).iter().chain([&picture, &tree])).expect(0);
    assert_same_tree(&tree, &Mounted::new(&picture, &dir.path().join("mnt"), "").dir);
}

/// ext4 keeps no xattr this large, so it comes from a tar stream.
#[test]
fn an_extended_attribute_may_be_as_large_as_linux_allows() {
    need_root();
    let dir = temp_dir();
    let (archive, picture) = (dir.path().join("in.tar"), dir.path().join("in.png"));
    let value: Vec<u8> = (0..65536_u32).map(|at| ((at * at) >> 7) as u8 | 0x80).collect();
    let mut tar = tar::Builder::new(File::create(&archive).unwrap());
    tar.append_pax_extensions([("SCHILY.xattr.user.large", value.as_slice())]).unwrap();
    let mut header = tar::Header::new_ustar();
    header.set_size(6);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(1);
    tar.append_data(&mut header, "file", &b"hello\n"[..]).unwrap();
    tar.into_inner().unwrap();
    mkfs(&picture, &archive);
    let mounted = Mounted::new(&picture, &dir.path().join("mnt"), "");
    assert!(xattr(&mounted.path("file"), b"user.large").unwrap() == value);
    assert_eq!(fs::read(mounted.path("file")).unwrap(), b"hello\n");
}

#[test]
fn the_png_crate_sees_the_bytes_that_lie_in_the_file() {
    let world = World::new();
    let bytes = fs::read(world.picture()).unwrap();
    let decoder = png::Decoder::new(std::io::Cursor::new(&bytes));
    let mut reader = decoder.read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.color_type, info.bit_depth), (png::ColorType::Rgba, png::BitDepth::Eight));
    // Rows lie in the file as they are: no filter, no compression.
    let row = info.width as usize * 4;
    let mut from = 0;
    for (number, pixels) in pixels.chunks_exact(row).enumerate() {
        let found = bytes[from..].windows(row).position(|window| window == pixels);
        from += found.unwrap_or_else(|| panic!("row {number} is not in the file")) + row;
    }
}

#[test]
fn an_ordinary_user_mounts_through_fusermount3() {
    need_root();
    need_fuse();
    let world = World::new();
    let (dir, binary) = (world.path("mnt"), world.path("pxfs"));
    fs::create_dir(&dir).unwrap();
    std::os::unix::fs::chown(&dir, Some(NOBODY), Some(NOBODY)).unwrap();
    // The build may lie where this user may not go.
    fs::copy(PXFS, &binary).unwrap();
    let _guard = Mounted::guard(&dir);
    let as_nobody = |program: &Path, args: &[&Path]| {
        let ids = [format!("--reuid={NOBODY}"), format!("--regid={NOBODY}")];
        let mut command = Command::new("setpriv");
        run(command.args(ids).args(["--clear-groups", "--"]).arg(program).args(args))
    };
    as_nobody(&binary, &[Path::new("mount"), &world.picture(), &dir]).expect(0);
    let said = as_nobody(Path::new("cat"), &[&dir.join("hello.txt")]).expect(0);
    assert_eq!(said.stdout, "hello\n");
    // FUSE's rule: without allow_other not even root may look.
    let denied = fs::read_dir(&dir).unwrap_err();
    assert_eq!(denied.kind(), std::io::ErrorKind::PermissionDenied);
    as_nobody(&binary, &[Path::new("umount"), &dir]).expect(0);
    assert!(!is_mounted(&dir));
    as_nobody(&binary, &[Path::new("mount"), &world.picture(), &dir]).expect(0);
    as_nobody(Path::new("fusermount3"), &[Path::new("-u"), &dir]).expect(0);
    assert!(!is_mounted(&dir));
}

/// The link through which mount(8) finds the binary; what was there comes back.
struct Helper {
    before: Option<PathBuf>,
}

impl Helper {
    const PATH: &str = "/sbin/mount.pxfs";

    fn new() -> Self {
        let path = Path::new(Self::PATH);
        let before = fs::read_link(path).ok();
        match &before {
            Some(_) => fs::remove_file(path).unwrap(),
            None => assert!(!path.exists(), "{} is no link: not touched", Self::PATH),
        }
        symlink(PXFS, path).unwrap();
        Self { before }
    }
}

impl Drop for Helper {
    fn drop(&mut self) {
        let _ = fs::remove_file(Self::PATH);
        if let Some(before) = &self.before {
            let _ = symlink(before, Self::PATH);
        }
    }
}

#[test]
fn mount_8_and_fstab_find_it() {
    need_root();
    need_fuse();
    let _helper = Helper::new();
    let world = World::new();
    let (picture, dir) = (world.picture(), world.path("mnt"));
    fs::create_dir(&dir).unwrap();
    let _guard = Mounted::guard(&dir);
    let options = "ro,allow_other,nofail,_netdev,noatime,x-systemd.automount,umask=022";
    run(Command::new("mount").args(["-t", "pxfs", "-o", options]).arg(&picture).arg(&dir))
        .expect(0);
    assert_eq!(fs::read(dir.join("hello.txt")).unwrap(), b"hello\n");
    let kind = sh(&format!("findmnt -n -o FSTYPE {}", dir.display()));
    assert_eq!(kind.trim(), "fuse.pxfs");
    run(Command::new("umount").arg(&dir)).expect(0);

    let fstab = world.path("fstab");
    let (picture, shown) = (picture.display(), dir.display());
    let line = format!("{picture} {shown} pxfs defaults,ro,user,noauto,nofail,x-gvfs-hide 0 0\n");
    fs::write(&fstab, line).unwrap();
    run(Command::new("mount").arg("-T").arg(&fstab).arg(&dir)).expect(0);
    assert_eq!(fs::read(dir.join("hello.txt")).unwrap(), b"hello\n");
    run(Command::new("umount").arg(&dir)).expect(0);

    // What mount(8) tells its users is what the tool said.
    let refused = format!("mount -t pxfs -o frobnicate {picture} {shown}");
    run(Command::new("sh").args(["-c", &refused])).expect(1).says("frobnicate");
}

#[test]
fn an_unknown_option_is_refused_by_name() {
    let world = World::new();
    fs::create_dir(world.path("mnt")).unwrap();
    let mount = |options: &str| {
        let (picture, dir) = (world.picture(), world.path("mnt"));
        let args = ["mount".as_ref(), picture.as_os_str(), dir.as_os_str()];
        pxfs(args.into_iter().chain(["-o".as_ref(), options.as_ref()]))
    };
    mount("ro,frobnicate").expect(1).says("frobnicate");
    mount("ro,uid=no-such-user").expect(1).says("no-such-user");
    mount("threads=none").expect(1).says("threads");
    mount("digest=00").expect(1).says("digest");
    assert!(!is_mounted(&world.path("mnt")));
}

#[test]
fn what_cannot_be_mounted_is_refused_with_its_reason() {
    need_root();
    need_fuse();
    let world = World::new();
    let (picture, dir) = (world.picture(), world.path("mnt"));
    fs::create_dir(&dir).unwrap();
    let mount = |source: &Path, dir: &Path| {
        let said = pxfs(["mount".as_ref(), source.as_os_str(), dir.as_os_str()]).expect(32);
        assert_eq!(said.stderr.trim_end().lines().count(), 1, "{}", said.stderr);
        said
    };
    mount(&world.path("no-such.png"), &dir).says("no-such.png");
    mount(&picture, &world.path("no-such-dir")).says("mkdir");
    mount(&picture, &world.path("source/hello.txt")).says("not a directory");
    mount(&world.path("source/hello.txt"), &dir).says("hello.txt");
    let bytes = fs::read(&picture).unwrap();
    fs::write(world.path("half.png"), &bytes[..bytes.len() / 2]).unwrap();
    mount(&world.path("half.png"), &dir).says("half.png");
    assert!(!is_mounted(&dir));
}

#[test]
fn a_wrong_digest_is_refused_and_the_right_one_mounts() {
    need_root();
    let world = World::new();
    fs::create_dir(world.path("mnt")).unwrap();
    let info = pxfs(["info".as_ref(), "--json".as_ref(), world.picture().as_os_str()]).expect(0);
    let info: serde_json::Value = serde_json::from_str(&info.stdout).unwrap();
    let digest = info["digest"].as_str().unwrap();
    let wrong = format!("digest={}", "0".repeat(64));
    let (picture, dir) = (world.picture(), world.path("mnt"));
    let args = ["mount".as_ref(), picture.as_os_str(), dir.as_os_str(), "-o".as_ref()];
    pxfs(args.into_iter().chain([wrong.as_ref()])).expect(32).says("digest");
    let mounted = world.mount(&format!("digest={digest}"));
    assert_eq!(fs::read(mounted.path("hello.txt")).unwrap(), b"hello\n");
}

#[test]
fn clashing_ids_are_both_kept() {
    need_root();
    let world = World::new();
    let mounted = world.mount("");
    let mut ids = Vec::new();
    for (name, content) in [("clash-1", "pixel probe 72644\n"), ("clash-2", "pixel probe 83008\n")]
    {
        let path = mounted.path(name);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        let id = String::from_utf8(xattr(&path, b"user.pxfs.id").unwrap()).unwrap();
        let by_id = mounted.path(".pxfs/pixels").join(id.strip_prefix("0x").unwrap());
        assert_eq!(fs::read_to_string(by_id).unwrap(), content, "{id}");
        ids.push(id);
    }
    let digest = Sha256::digest("pixel probe 83008\n");
    let next = u32::from_be_bytes(digest[4..8].try_into().unwrap());
    assert_eq!(ids, ["0xF7022B07".to_owned(), format!("0x{next:08X}")]);
}

#[test]
fn files_are_reached_by_id_and_tell_who_they_are() {
    need_root();
    let world = World::new();
    let mounted = world.mount("");
    let hello = mounted.path("hello.txt");
    let digest = Sha256::digest("hello\n");
    let text = |name: &str| String::from_utf8(xattr(&hello, name.as_bytes()).unwrap()).unwrap();
    let [r, g, b, a] = digest[..4].try_into().unwrap();
    let id = format!("{r:02X}{g:02X}{b:02X}{a:02X}");
    assert_eq!(text("user.pxfs.id"), format!("0x{id}"));
    assert_eq!(text("user.pxfs.rgba"), format!("{r},{g},{b},{a}"));
    let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(text("user.pxfs.sha256"), hex);
    assert_eq!(fs::read(mounted.path(".pxfs/pixels").join(&id)).unwrap(), b"hello\n");
    let listed = fs::read_dir(mounted.path(".pxfs/pixels")).unwrap().count();
    assert_eq!(listed, 4);
    let names = fs::read_dir(&mounted.dir).unwrap().map(|entry| entry.unwrap().file_name());
    assert!(!names.into_iter().any(|name| name == ".pxfs"), ".pxfs is listed");
    for json in ["pixelfs.json", "stats.json"] {
        let text = fs::read_to_string(mounted.path(".pxfs").join(json)).unwrap();
        let value: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert!(value.is_object(), "{json}");
    }
    let desktop = File::open(mounted.path(".pxfs/desktop.png")).unwrap();
    png::Decoder::new(std::io::BufReader::new(desktop)).read_info().unwrap();
}

#[test]
fn nothing_can_be_written() {
    need_root();
    let world = World::new();
    let mounted = world.mount("");
    let read_only = |result: std::io::Result<()>, what: &str| {
        assert_eq!(result.unwrap_err().raw_os_error(), Some(libc::EROFS), "{what}");
    };
    let hello = mounted.path("hello.txt");
    read_only(fs::write(&hello, "x"), "write");
    read_only(fs::write(mounted.path("new"), "x"), "create");
    read_only(fs::create_dir(mounted.path("new")), "mkdir");
    read_only(fs::remove_file(&hello), "unlink");
    read_only(fs::rename(&hello, mounted.path("other")), "rename");
    read_only(fs::set_permissions(&hello, fs::Permissions::from_mode(0o600)), "chmod");
    read_only(symlink("x", mounted.path("new")), "symlink");
}

#[test]
fn rw_is_refused_or_says_that_it_is_read_only() {
    need_root();
    need_fuse();
    let world = World::new();
    let (picture, dir) = (world.picture(), world.path("mnt"));
    fs::create_dir(&dir).unwrap();
    let _guard = Mounted::guard(&dir);
    let args = ["mount".as_ref(), picture.as_os_str(), dir.as_os_str()];
    pxfs(args.into_iter().chain(["-o".as_ref(), "rw".as_ref()])).expect(0).says("read-only");
}

#[test]
fn a_subdirectory_and_other_owners_can_be_mounted() {
    need_root();
    let world = World::new();
    let mounted = world.mount("subdir=sub,uid=1234,gid=4321,fmask=077,dmask=022");
    let found = fs::metadata(mounted.path("deeper/large")).unwrap();
    assert_eq!((found.uid(), found.gid(), found.mode() & 0o777), (1234, 4321, 0o600));
    assert_eq!(fs::metadata(mounted.path("deeper")).unwrap().mode() & 0o777, 0o755);
}

#[test]
fn a_picture_inside_another_file_mounts_at_its_offset() {
    need_root();
    let world = World::new();
    let mut bytes = vec![0xEE; 10_000];
    bytes.extend(fs::read(world.picture()).unwrap());
    let inside = world.path("inside");
    fs::write(&inside, bytes).unwrap();
    let mounted = Mounted::new(&inside, &world.path("mnt"), "offset=10000");
    assert_eq!(fs::read(mounted.path("hello.txt")).unwrap(), b"hello\n");
}

#[test]
fn sigterm_unmounts() {
    need_root();
    let world = World::new();
    let (mounted, pid) = mount_with_pid(&world);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    wait_for("end of the process", || !is_running(pid));
    assert!(!is_mounted(&mounted.dir));
    assert!(!world.path("pid").exists(), "the pid file stayed");
}

#[test]
fn a_killed_server_leaves_a_dead_mount_that_the_next_one_explains() {
    need_root();
    let world = World::new();
    let (mounted, pid) = mount_with_pid(&world);
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_for("end of the process", || !is_running(pid));
    // Its threads die one by one: a request that one of them took is aborted.
    wait_for("ENOTCONN", || {
        let error = fs::metadata(mounted.path("hello.txt")).unwrap_err();
        error.raw_os_error() == Some(libc::ENOTCONN)
    });
    let picture = world.picture();
    let args = ["mount".as_ref(), picture.as_os_str(), mounted.dir.as_os_str()];
    pxfs(args).expect(32).says("stale").says("umount -l");
    pxfs(["umount".as_ref(), mounted.dir.as_os_str()]).expect(0);
    assert!(!is_mounted(&mounted.dir));
    pxfs(args).expect(0);
    assert_eq!(fs::read(mounted.path("hello.txt")).unwrap(), b"hello\n");
}

/// A thread of a killed server may be where no signal reaches it; here what it keeps
/// open is kept open by the test.
#[test]
fn who_waits_for_a_killed_server_is_told_though_something_of_it_is_left() {
    need_root();
    let world = World::new();
    let (mounted, pid) = mount_with_pid(&world);
    let server = pidfd_open(pid, PidfdFlags::empty()).unwrap();
    let descriptors = format!("/proc/{}/fd", pid.as_raw_nonzero());
    let devices = fs::read_dir(descriptors).unwrap().map(Result::unwrap);
    let devices =
        devices.filter(|entry| fs::read_link(entry.path()).unwrap() == Path::new("/dev/fuse"));
    let left: Vec<_> = devices
        .map(|entry| {
            let number = entry.file_name().to_str().unwrap().parse().unwrap();
            pidfd_getfd(&server, number, PidfdGetfdFlags::empty()).unwrap()
        })
        .collect();
    assert!(!left.is_empty());
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    let path = mounted.path("hello.txt");
    let reader = std::thread::spawn(move || fs::read(path).unwrap_err().raw_os_error().unwrap());
    std::thread::sleep(std::time::Duration::from_millis(100));
    assert!(!reader.is_finished());
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_for("end of the reader", || reader.is_finished());
    assert!([libc::ENOTCONN, libc::ECONNABORTED].contains(&reader.join().unwrap()));
    // What it is left with is a dead mount, as after any other end.
    pxfs(["umount".as_ref(), mounted.dir.as_os_str()]).expect(0);
    assert!(!is_mounted(&mounted.dir));
}

/// The next mount may have written the same file before the one before it is gone.
#[test]
fn a_mount_that_ends_late_leaves_the_pid_file_of_the_next_one() {
    need_root();
    let world = World::new();
    let (mounted, first) = mount_with_pid(&world);
    let open = File::open(mounted.path("hello.txt")).unwrap();
    pxfs(["umount".as_ref(), "-l".as_ref(), mounted.dir.as_os_str()]).expect(0);
    let (_mounted, second) = mount_with_pid(&world);
    drop(open);
    wait_for("end of the first", || !is_running(first));
    let text = fs::read_to_string(world.path("pid")).unwrap();
    assert_eq!(text, format!("{}\n", second.as_raw_nonzero()));
}

#[test]
fn one_picture_can_be_mounted_twice_but_one_directory_only_once() {
    need_root();
    let world = World::new();
    let first = world.mount("");
    let second = Mounted::new(&world.picture(), &world.path("mnt-2"), "");
    assert_same_tree(&first.dir, &second.dir);
    let picture = world.picture();
    pxfs(["mount".as_ref(), picture.as_os_str(), first.dir.as_os_str()])
        .expect(32)
        .says("already mounted");
    first.unmount();
    assert_eq!(fs::read(second.path("hello.txt")).unwrap(), b"hello\n");
}

#[test]
fn a_mount_in_use_stays_until_its_last_user_is_gone() {
    need_root();
    let world = World::new();
    let (mounted, pid) = mount_with_pid(&world);
    let mut open = File::open(mounted.path("sub/deeper/large")).unwrap();
    run(Command::new("umount").arg(&mounted.dir)).expect(32).says("busy");
    pxfs(["umount".as_ref(), mounted.dir.as_os_str()]).expect(1).says("in use");
    assert!(is_mounted(&mounted.dir));

    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    wait_for("detached mount", || !is_mounted(&mounted.dir));
    let mut content = Vec::new();
    open.seek(SeekFrom::Start(1)).unwrap();
    open.read_to_end(&mut content).unwrap();
    assert!(content.len() == 4_999_999 && content.iter().all(|byte| *byte == b'x'));
    assert!(is_running(pid), "it ended under its user");
    drop(open);
    wait_for("end of the process", || !is_running(pid));
}

#[test]
fn an_idle_mount_leaves_by_itself() {
    need_root();
    let world = World::new();
    let mounted = world.mount("idle_timeout=1");
    assert_eq!(fs::read(mounted.path("hello.txt")).unwrap(), b"hello\n");
    wait_for("unmount after a second", || !is_mounted(&mounted.dir));
}

#[test]
fn readiness_is_told_and_means_that_ls_works() {
    need_root();
    need_fuse();
    let world = World::new();
    let (picture, dir) = (world.picture(), world.path("mnt"));
    fs::create_dir(&dir).unwrap();
    let _guard = Mounted::guard(&dir);
    let script = format!(
        "{{ {PXFS} mount -f {} {dir} --ready-fd 3 & }} 3>&1 >/dev/null | {{ read word; \
         ls {dir}; echo $word; }}; umount {dir}",
        picture.display(),
        dir = dir.display()
    );
    let said = sh(&script);
    assert_eq!(said, "clash-1\nclash-2\nhello.txt\nsub\nready\n");
}

#[test]
fn other_encodings_of_the_same_pixels_mount() {
    need_root();
    let world = World::new();
    let picture = world.picture();
    for end in ["bmp", "pam", "qoi", "tiff", "webp"] {
        let other = world.path(&format!("other.{end}"));
        let pixels = image::open(&picture).unwrap();
        match end {
            "pam" => fs::write(&other, pam(&pixels.to_rgba8())).unwrap(),
            _ => pixels.save(&other).unwrap(),
        }
        let mounted = Mounted::new(&other, &world.path("mnt"), "");
        assert_same_tree(&world.path("source"), &mounted.dir);
        mounted.unmount();
    }
}

fn pam(pixels: &image::RgbaImage) -> Vec<u8> {
    let (width, height) = pixels.dimensions();
    let mut bytes = format!(
        "P7\nWIDTH {width}\nHEIGHT {height}\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    )
    .into_bytes();
    bytes.extend_from_slice(pixels.as_raw());
    bytes
}

/// Where a mask makes the mount show other permissions, ACLs cannot be enforced;
/// then they must not give more than they did.
#[test]
fn a_mask_gives_nobody_what_an_acl_denies() {
    need_root();
    let dir = temp_dir();
    let source = dir.path().join("source");
    fs::create_dir(&source).unwrap();
    let at = source.display().to_string();
    sh(&format!(
        "cd {at} && echo secret >file && chgrp 1234 file && chmod 660 file && \
         setfacl -m u:7777:rw,g::---,m::rw file && echo open >plain && chgrp 1234 plain && chmod 660 plain"
    ));
    let picture = dir.path().join("picture.png");
    mkfs(&picture, &source);
    let read = |mounted: &Mounted, name: &str| {
        let path = mounted.path(name).display().to_string();
        let as_group = "setpriv --reuid 60000 --regid 1234 --clear-groups cat";
        run(Command::new("sh").args(["-c", &format!("{as_group} '{path}'")])).status == Some(0)
    };
    for options in
        ["allow_other", "allow_other,umask=002", "allow_other,fmask=0", "allow_other,umask=0"]
    {
        let mounted = Mounted::new(&picture, &dir.path().join("mnt"), options);
        assert!(!read(&mounted, "file"), "{options}");
        assert!(read(&mounted, "plain"), "{options}");
        mounted.unmount();
    }
}
