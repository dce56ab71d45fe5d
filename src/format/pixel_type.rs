//! What PixelFS takes a file for: the `type` of a pxOS registry entry.

use super::FormatError;

/// The types that pxOS knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[repr(u8)]
pub enum PixelType {
    /// Anything.
    #[default]
    Data = 0,
    /// Python source.
    Py = 1,
    /// A module of the PXI machine.
    PxiModule = 2,
    /// A world.
    World = 3,
    /// A language model, or the way to one.
    Model = 4,
    /// Configuration.
    Config = 5,
}

impl PixelType {
    /// All types, with the names that pxOS writes.
    pub const ALL: [(Self, &'static str); 6] = [
        (Self::Data, "data"),
        (Self::Py, "py"),
        (Self::PxiModule, "pxi_module"),
        (Self::World, "world"),
        (Self::Model, "model"),
        (Self::Config, "config"),
    ];

    /// The type that a byte of an inode record stands for.
    pub fn from_byte(byte: u8) -> Result<Self, FormatError> {
        let found = Self::ALL.into_iter().find(|(kind, _)| *kind as u8 == byte);
        found.map(|(kind, _)| kind).ok_or(FormatError::field("inode", "PixelFS type", byte))
    }

    /// The name in registries and in the xattr `user.pxfs.type`.
    pub fn name(self) -> &'static str {
        Self::ALL.into_iter().find(|(kind, _)| *kind == self).map_or("data", |(_, name)| name)
    }

    /// The type of everything under a directory of the root, by its name: the
    /// places where pxOS's own builder puts each type.
    pub fn of_area(top: &[u8]) -> Self {
        match top {
            b"boot" | b"apps" => Self::PxiModule,
            b"system" => Self::Py,
            b"worlds" => Self::World,
            b"models" => Self::Model,
            b"config" => Self::Config,
            _ => Self::Data,
        }
    }
}
