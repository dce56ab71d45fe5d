//! What mkfs.pxfs makes of sources that change under its feet, of mount points in
//! them, and of names that are taken meanwhile.
#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use support::{PXFS, pxfs, sh, temp_dir, wait_for};

/// Starts mkfs on a source whose first directory keeps it busy for a while.
fn slow_mkfs(dir: &Path, picture: &Path) -> Child {
    let source = dir.join("source");
    fs::create_dir_all(source.join("a")).unwrap();
    fs::create_dir_all(source.join("z")).unwrap();
    // More than mkfs reads ahead, so that the second directory has to wait.
    let noise: Vec<u8> = (0..400u32 << 10)
        .map(|i| (i ^ i >> 9).wrapping_mul(2_654_435_761).to_be_bytes()[1] ^ (i >> 5) as u8)
        .collect();
    for number in 0..200u8 {
        let mut content = noise.clone();
        content.iter_mut().for_each(|byte| *byte = byte.wrapping_mul(number | 1));
        fs::write(source.join(format!("a/{number:03}")), content).unwrap();
    }
    let mut command = Command::new(PXFS);
    command.args(["mkfs", "--quiet", "--level", "6", "--threads", "1"]);
    command.arg(picture).arg(&source).stderr(Stdio::piped());
    command.spawn().unwrap()
}

/// Waits until the source's root was listed: what is in it is being read then.
fn wait_until_reading(child: &Child) {
    let open = format!("/proc/{}/fd", child.id());
    wait_for("mkfs to read", || {
        let links =
            fs::read_dir(&open).unwrap().filter_map(|fd| fs::read_link(fd.ok()?.path()).ok());
        links.into_iter().any(|path| path.ends_with("source/a"))
    });
}

#[test]
fn a_directory_that_became_a_link_is_not_followed() {
    let dir = temp_dir();
    let picture = dir.path().join("made.png");
    let secret = dir.path().join("secret");
    fs::create_dir(&secret).unwrap();
    fs::write(secret.join("key"), "TOPSECRET").unwrap();
    let child = slow_mkfs(dir.path(), &picture);
    // The root has been listed when what is in it is opened.
    let open = format!("ls -l /proc/{}/fd | grep -q source/a", child.id());
    wait_for("mkfs to read", || Command::new("sh").args(["-c", &open]).status().unwrap().success());
    let z = dir.path().join("source/z");
    fs::rename(&z, dir.path().join("moved")).unwrap();
    symlink(&secret, &z).unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("z: was replaced"), "{said}");
    assert!(!picture.exists());
}

#[test]
fn a_name_that_was_taken_meanwhile_is_not_overwritten() {
    let dir = temp_dir();
    let picture = dir.path().join("made.png");
    let child = slow_mkfs(dir.path(), &picture);
    wait_until_reading(&child);
    fs::write(&picture, "somebody else's").unwrap();
    let output = child.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(1), "{said}");
    assert!(said.contains("xists"), "{said}");
    assert_eq!(fs::read(&picture).unwrap(), b"somebody else's");
    let left = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(left, 2, "only the source and the other's file");
}

#[test]
fn mount_points_stay_when_they_are_not_entered() {
    let dir = temp_dir();
    let source = dir.path().join("source");
    fs::create_dir_all(source.join("mnt")).unwrap();
    let at = source.join("mnt").display().to_string();
    sh(&format!("mount -t tmpfs none {at}"));
    fs::write(source.join("mnt/inside"), "x").unwrap();
    let picture = dir.path().join("made.png").display().to_string();
    let made = pxfs(["mkfs", "-x", "--quiet", &picture, source.to_str().unwrap()]);
    sh(&format!("umount {at}"));
    made.expect(0);
    let found = pxfs(["find", &picture]).expect(0).stdout;
    assert_eq!(found.lines().collect::<Vec<_>>(), ["/", "/mnt"]);
}

#[test]
fn a_link_to_what_is_excluded_from_a_stream_says_so() {
    let dir = temp_dir();
    let at = dir.path().display().to_string();
    let made = sh(&format!(
        "cd {at} && mkdir s && echo x >s/a.o && ln s/a.o s/keep.c && tar -C s -cf t.tar a.o keep.c && \
         {PXFS} mkfs --exclude '*.o' m.png - <t.tar 2>&1 || true"
    ));
    assert!(made.contains("hard link to 'a.o'") && made.contains("it is excluded"), "{made}");
    // From the directory nothing is missing.
    sh(&format!("cd {at} && {PXFS} mkfs --quiet --exclude '*.o' m.png s"));
    let found = pxfs(["find", &format!("{at}/m.png")]).expect(0).stdout;
    assert_eq!(found.lines().collect::<Vec<_>>(), ["/", "/keep.c"]);
}
