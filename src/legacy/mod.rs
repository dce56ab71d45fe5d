//! pxOS trees as the Python tools write them.
