//! Serving a file tree through FUSE: the only folder that knows fuser.
