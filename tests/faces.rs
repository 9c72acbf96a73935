//! A lock taken through one face is seen, respected and ended through every other one.
//!
//! The cases are products, not picks: what Alice has locked, of which kinds and through which
//! faces, times the face of the next step, times who takes it. What has to be answered stands in
//! `faces/naive.rs`, written from the text of the lock model; what a face calls that is known to
//! the faces' own files. Each case has a file of its own, and afterwards it is looked at what has
//! become of it: content, names, and the locks as every face shows them.

#![allow(clippy::print_stdout, reason = "the number of cases is worth seeing")]
#![allow(unreachable_pub, reason = "a test binary has no outside")]

mod common;

#[path = "faces/act.rs"]
mod act;
#[path = "faces/end.rs"]
mod end;
#[path = "faces/faces.rs"]
mod faces;
#[path = "faces/naive.rs"]
mod naive;
#[path = "faces/neighbours.rs"]
mod neighbours;
#[path = "faces/product.rs"]
mod product;
#[path = "faces/restore.rs"]
mod restore;
#[path = "faces/site.rs"]
mod site;
#[path = "faces/take.rs"]
mod take;
#[path = "faces/words.rs"]
mod words;
