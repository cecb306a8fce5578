//! `papyra-core` for JavaScript. It translates and decides nothing.

mod decode;
