//! Kinds of trouble a world may meet. Each is a switch of its own, so that a failing seed can be made smaller by turning them off one by one.

/// One kind of trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Fault {
    /// A process dies; what was not committed is lost.
    Crash,
    /// A connection dies in the middle of a frame.
    Drop,
    /// A frame arrives twice.
    Duplicate,
    /// A frame overtakes the one before it.
    Reorder,
    /// Frames take up to three hours.
    Delay,
    /// Frames wait before hand-off, so permits go stale.
    Queue,
    /// Nodes cannot reach each other for a while.
    Partition,
    /// Laptops meet their home node rarely.
    Seldom,
    /// A process is stopped and started.
    Restart,
    /// A wall clock jumps, up to ten years, both ways.
    Clock,
    /// A disk is put back to an older copy.
    Restore,
    /// A device runs twice under one identity.
    Clone,
    /// A bureau has two registrars, one after the other or at once.
    Registrar,
    /// A node speaks another version, or does not know every message.
    Skew,
    /// A member breaks the rules.
    Hostile,
    /// A link begins with a frame of an older one.
    Replay,
    /// An officer's key is reset.
    Reset,
    /// The disk of a home node is put back, by a restore that says so or a snapshot that says nothing; a doubled registrar is one of these.
    Homes,
    /// Hostile members that came to the simulation later have a part among them.
    Newcomers,
    /// Agreements end within the day, are suspended, resumed, amended, renewed too late; days go by in which nobody acts.
    Lifecycle,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 20] = [
        Fault::Crash,
        Fault::Drop,
        Fault::Duplicate,
        Fault::Reorder,
        Fault::Delay,
        Fault::Queue,
        Fault::Partition,
        Fault::Seldom,
        Fault::Restart,
        Fault::Clock,
        Fault::Restore,
        Fault::Clone,
        Fault::Registrar,
        Fault::Skew,
        Fault::Hostile,
        Fault::Replay,
        Fault::Reset,
        Fault::Homes,
        Fault::Newcomers,
        Fault::Lifecycle,
    ];

    /// The word of the command line and of figures.
    pub const fn word(self) -> &'static str {
        match self {
            Fault::Crash => "crash",
            Fault::Drop => "drop",
            Fault::Duplicate => "duplicate",
            Fault::Reorder => "reorder",
            Fault::Delay => "delay",
            Fault::Queue => "queue",
            Fault::Partition => "partition",
            Fault::Seldom => "seldom",
            Fault::Restart => "restart",
            Fault::Clock => "clock",
            Fault::Restore => "restore",
            Fault::Clone => "clone",
            Fault::Registrar => "registrar",
            Fault::Skew => "skew",
            Fault::Hostile => "hostile",
            Fault::Replay => "replay",
            Fault::Reset => "reset",
            Fault::Homes => "homes",
            Fault::Newcomers => "newcomers",
            Fault::Lifecycle => "lifecycle",
        }
    }

    /// Reads the word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.word() == word)
    }
}

/// A set of kinds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults(u32);

impl Faults {
    /// Every kind.
    pub fn all() -> Self {
        Fault::ALL.into_iter().fold(Self::default(), Self::with)
    }
    /// This kind too.
    #[must_use]
    pub const fn with(self, fault: Fault) -> Self {
        Self(self.0 | 1 << fault as u8)
    }
    /// This kind not.
    #[must_use]
    pub const fn without(self, fault: Fault) -> Self {
        Self(self.0 & !(1 << fault as u8))
    }
    /// Whether a kind is in it.
    pub const fn has(self, fault: Fault) -> bool {
        self.0 & (1 << fault as u8) != 0
    }
    /// Those in it.
    pub fn iter(self) -> impl Iterator<Item = Fault> {
        Fault::ALL.into_iter().filter(move |fault| self.has(*fault))
    }
}
