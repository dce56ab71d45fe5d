//! A picture as a stream of bytes.
