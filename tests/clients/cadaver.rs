//! cadaver
