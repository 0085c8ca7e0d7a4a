//! The room the machines stand in: a mount namespace of our own, a folder to mount on, and the id of the boot.
//!
//! The namespace goes with the last process in it, and every mount with it, however the lab ends. Inside it the kernel's boot id is covered by
//! a file of ours: after a power cut a machine must not believe that it is still running.

use std::path::{Path, PathBuf};

use fuser::BackgroundSession;
use nix::mount::{MntFlags, MsFlags};
use nix::sched::CloneFlags;
use rand::rngs::SmallRng;

use crate::Failed;
use crate::disk::Disk;
use crate::mount::{Shared, held, mount};
use crate::survives::Survives;

const DEVICE: &str = "/dev/fuse";
const BOOT_ID: &str = "/proc/sys/kernel/random/boot_id";
const NO_ROOT: &str = "run it as root, or in a container that may mount (CAP_SYS_ADMIN)";

/// Where machines are switched on, one at a time.
pub struct Lab {
    dir: tempfile::TempDir,
    boots: u64,
}

impl Lab {
    /// Sets it up. To be called before any other thread is there: only threads begun later see what is mounted here.
    ///
    /// # Errors
    /// What the system lacks, with the next step.
    pub fn set_up() -> Result<Self, Failed> {
        if !Path::new(DEVICE).exists() {
            return Err(format!("{DEVICE} is not there; next: `modprobe fuse`, or give the container the device").into());
        }
        nix::sched::unshare(CloneFlags::CLONE_NEWNS).map_err(|error| format!("no mount namespace of our own: {error}; next: {NO_ROOT}"))?;
        nix::mount::mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
            .map_err(|error| format!("the mount namespace stays shared: {error}; next: {NO_ROOT}"))?;
        let mut lab = Self { dir: tempfile::Builder::new().prefix("amnesia-").tempdir()?, boots: 0 };
        std::fs::create_dir(lab.at())?;
        lab.new_boot()?;
        nix::mount::mount(Some(&lab.boot_file()), BOOT_ID, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .map_err(|error| format!("{BOOT_ID} cannot be covered: {error}; next: {NO_ROOT}"))?;
        Ok(lab)
    }

    /// An ordinary folder, for what is not to be forgotten.
    pub fn folder(&self) -> &Path {
        self.dir.path()
    }

    /// Switches a machine with this disk on.
    ///
    /// # Errors
    /// When the disk cannot be mounted.
    pub fn switch_on(&mut self, disk: Disk) -> Result<Machine, Failed> {
        self.new_boot()?;
        let disk = Shared::new(disk.into());
        let session = mount(disk.clone(), &self.at()).map_err(|error| format!("the disk cannot be mounted: {error}; next: {NO_ROOT}"))?;
        Ok(Machine { disk, at: self.at(), session: Some(session) })
    }

    fn at(&self) -> PathBuf {
        self.dir.path().join("disk")
    }

    fn boot_file(&self) -> PathBuf {
        self.dir.path().join("boot_id")
    }

    fn new_boot(&mut self) -> std::io::Result<()> {
        self.boots += 1;
        std::fs::write(self.boot_file(), format!("00000000-0000-4000-8000-{:012x}\n", self.boots))
    }
}

/// A machine that is on: its disk is mounted.
pub struct Machine {
    disk: Shared,
    at: PathBuf,
    session: Option<BackgroundSession>,
}

impl Machine {
    /// Where its disk is mounted.
    pub fn at(&self) -> &Path {
        &self.at
    }

    /// Its disk.
    pub fn disk(&self) -> std::sync::MutexGuard<'_, Disk> {
        held(&self.disk)
    }

    /// The power is cut. Its processes were killed before; what is left is given back.
    pub fn cut(mut self, survives: Survives, dice: &mut SmallRng) -> Disk {
        self.disk().switch_off();
        self.unmount();
        self.disk().after_cut(survives, dice)
    }

    /// Takes the mount away at once. Who still holds a file of it hears errors.
    fn unmount(&mut self) {
        if let Some(session) = self.session.take() {
            // Fails only when it is gone already.
            let _ = nix::mount::umount2(&self.at, MntFlags::MNT_DETACH);
            drop(session);
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        self.disk().switch_off();
        self.unmount();
    }
}
