//! The layout in bytes: parsing and writing, no I/O.
