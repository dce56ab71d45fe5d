"""What scripts/stress does to a mount that is in use."""

import errno
import os
import signal
import time

from lab import MNT_DETACH, PXFS, Fault, Mount, is_running, run, umount2, wait_until


class Upheavals:
    """The mount that the workers use, and all that happens to it."""

    def __init__(self, shared, picture, dir, log, chance):
        self.shared, self.picture, self.dir, self.chance = shared, picture, dir, chance
        self.log = log
        self.counts = dict.fromkeys(("stopped", "busy", "detached", "terminated", "killed"), 0)
        self.peak_mib = 0.0
        self.leaving = []
        self.mount = None
        self.made = 0
        self.remount()

    def remount(self):
        options = f"log_file={self.log},log_level=warn"
        # The server that was there before may still be, and removes its file at its end.
        self.made += 1
        self.mount = Mount(self.picture, self.dir, options, f"{self.dir}-{self.made}.pid")

    def happen(self):
        """One of them."""
        kinds = [self.stop, self.stop, self.stop, self.busy, self.busy]
        kinds += [self.detach, self.terminate, self.kill]
        self.note_peak()
        self.chance.choice(kinds)()

    def note_peak(self):
        if is_running(self.mount.pid):
            self.peak_mib = max(self.peak_mib, self.mount.peak_mib())

    def stop(self):
        """The server does nothing for a while; everyone waits, and goes on."""
        os.kill(self.mount.pid, signal.SIGSTOP)
        try:
            time.sleep(self.chance.random() * 2)
        finally:
            os.kill(self.mount.pid, signal.SIGCONT)
        self.counts["stopped"] += 1

    def held(self):
        """A file that is open in the mount, and what it must hold."""
        path, size, _ = self.chance.choice([f for f in self.shared.files if 0 < f[1] < 1 << 20])
        return os.open(self.mount.path(path), os.O_RDONLY | os.O_CLOEXEC), path, size

    def busy(self):
        """Who unmounts what is in use is told so, and nothing else happens."""
        file, _, _ = self.held()
        try:
            umount2(self.dir)
            raise Fault("a mount in use was unmounted")
        except OSError as error:
            if error.errno != errno.EBUSY:
                raise Fault(f"unmounting a mount in use: {error}") from error
        finally:
            os.close(file)
        self.counts["busy"] += 1

    def begin(self, is_kill):
        upheaval = (self.shared.number.value + 1) // 2 + 1
        # The kind first: whoever sees the number looks at it.
        self.shared.was_killed[upheaval] = is_kill
        self.shared.number.value += 1

    def end(self):
        self.remount()
        self.shared.number.value += 1

    def detach(self):
        """umount -l: what is open stays readable, and the server ends after it."""
        self.leave(lambda: umount2(self.dir, MNT_DETACH))
        self.counts["detached"] += 1

    def terminate(self):
        """SIGTERM: the same, by the server itself."""
        before = self.mount.pid
        self.leave(lambda: os.kill(before, signal.SIGTERM))
        self.counts["terminated"] += 1

    def leave(self, how):
        file, path, size = self.held()
        try:
            self.begin(is_kill=False)
            how()
            wait_until("end of the mount", lambda: not os.path.ismount(self.dir))
            with open(os.path.join(self.shared.source, path), "rb") as original:
                if os.pread(file, size, 0) != original.read():
                    raise Fault(f"{path}: wrong bytes after the unmount")
        finally:
            os.close(file)
        self.leaving.append((self.mount.pid, time.monotonic()))
        self.end()

    def kill(self):
        """kill -9: errors, no hang, and it can be unmounted and mounted again."""
        self.begin(is_kill=True)
        os.kill(self.mount.pid, signal.SIGKILL)
        wait_until("end of the killed server", lambda: not is_running(self.mount.pid), 10)
        try:
            # A name that nobody has asked for: the kernel answers for many others.
            os.stat(self.mount.path(f"none-{self.chance.random()}"))
            raise Fault("a mount without a server still answers")
        except OSError as error:
            if error.errno not in (errno.ENOTCONN, errno.ECONNABORTED):
                raise Fault(f"a mount without a server: {error}") from error
        run(PXFS, "umount", "-l", self.dir)
        self.end()
        self.counts["killed"] += 1

    def check_left(self, seconds):
        """Servers of mounts that were left must end when their last users have."""
        now = time.monotonic()
        self.leaving = [(pid, at) for pid, at in self.leaving if is_running(pid)]
        late = [pid for pid, at in self.leaving if now - at > seconds]
        if late:
            self.leaving = [(pid, at) for pid, at in self.leaving if pid not in late]
            raise Fault(f"servers {late} are there {seconds} s after their mounts were left")
