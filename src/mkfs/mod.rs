//! Making a picture from a source tree.
