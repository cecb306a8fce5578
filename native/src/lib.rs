//! Files, rotation sets, locks and the command line around `papyra-core`.
