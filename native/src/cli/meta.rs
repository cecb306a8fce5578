//! `papyra completions` and `papyra man`

use clap::CommandFactory;
use clap_complete::Shell;

use super::out::Out;
use super::{Cli, Verdict};
use crate::error::{Code, Error, Result};

pub(super) fn completions(shell: Shell, out: &mut Out) -> Result<Verdict> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "papyra", &mut script);
    out.raw(&script);
    Ok(Verdict::Fine)
}

/// One page for all: the command and each of its verbs, as sections.
pub(super) fn man(out: &mut Out) -> Result<Verdict> {
    let mut page = Vec::new();
    let mut root = Cli::command();
    root.build();
    render(&root, &mut page).map_err(|error| Error::new(Code::Io, format!("cannot write the manual: {error}")))?;
    out.raw(&page);
    Ok(Verdict::Fine)
}

fn render(command: &clap::Command, page: &mut Vec<u8>) -> std::io::Result<()> {
    clap_mangen::Man::new(command.clone()).render(page)?;
    for verb in command.get_subcommands().filter(|verb| verb.get_name() != "help") {
        render(verb, page)?;
    }
    Ok(())
}
