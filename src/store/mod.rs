//! Blocks, codecs, caches and B+trees on a pixel stream.
