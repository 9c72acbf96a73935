//! The program from outside: starting, stopping, users, doors that stay shut.

mod common;
