//! `papyra inspect groups|pending`: what a Redis backup says of its consumer groups.
//!
//! On a live server `papyra redis groups list` and `papyra redis pending` say the same.

use papyra_core::escape::escape;
use papyra_core::redis::{
    Entry, Flow, Group, GroupExport, GroupsFile, PapyraKey, PendingExport, StreamFacts, StreamGroups, name_of,
};
use serde::Serialize;

use super::consumer_groups;
use super::out::Out;
use super::progress::Progress;
use super::settings::{Common, Format, Settings};
use super::shown;
use crate::TOOL;
use crate::error::{Code, Error, Result};
use crate::offline::entries::Streams;
use crate::source::Source;

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    #[command(flatten)]
    common: Common,

    /// Only this group
    #[arg(long, value_name = "GROUP")]
    group: Option<String>,
}

/// Pending entries of a backup: schema `papyra.pending/1`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
pub(super) struct Document<'a> {
    schema: &'static str,
    tool: &'static str,
    pending: Vec<Held<'a>>,
}

/// A pending entry, and where.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Held<'a> {
    /// The stream's key.
    key: &'a str,
    group: &'a str,
    entry: &'a PendingExport,
}

/// Lists streams and groups; with JSON, what `papyra redis groups ensure` reads.
pub(super) fn list(args: &Args, out: &mut Out) -> Result<()> {
    let list = gather(args, out)?;
    if out.format() == Format::Json {
        return out.json(&list);
    }
    for stream in &list.streams {
        out.info(&consumer_groups::stream(&stream.key, &stream.stream));
        if stream.groups.is_empty() {
            out.detail("no groups");
        }
        consumer_groups::print(stream.groups.iter().map(Into::into), out);
    }
    Ok(())
}

/// Lists entries that were delivered and not acknowledged.
pub(super) fn pending(args: &Args, out: &mut Out) -> Result<()> {
    let list = gather(args, out)?;
    let groups = list.streams.iter().flat_map(|stream| stream.groups.iter().map(move |group| (stream, group)));
    let all =
        groups.flat_map(|(stream, group)| group.pending.iter().map(move |entry| (&stream.key, &group.name, entry)));
    if out.format() == Format::Json {
        let pending = all.map(|(key, group, entry)| Held { key, group, entry }).collect();
        return out.json(&Document { schema: "papyra.pending/1", tool: TOOL, pending });
    }
    let mut shown = 0_u64;
    for (key, group, entry) in all {
        shown += 1;
        out.info(&format!(
            "{} {} {}: held by {}, delivered {}",
            escape(key.as_bytes()),
            escape(group.as_bytes()),
            entry.id,
            entry.consumer.as_ref().map_or("nobody".into(), |consumer| escape(consumer.as_bytes())),
            consumer_groups::times(entry.delivery_count)
        ));
    }
    if shown == 0 {
        out.info("nothing is pending");
    }
    Ok(())
}

struct Gatherer<'a> {
    only: Option<&'a str>,
    open: Option<StreamGroups>,
    streams: Vec<StreamGroups>,
    /// The keys of streams that damage cuts off before their groups.
    cut: Vec<String>,
    unlisted: u64,
}

impl Gatherer<'_> {
    fn cut(&mut self) {
        self.cut.extend(self.open.take().map(|stream| stream.key));
    }
}

impl Streams for Gatherer<'_> {
    fn begin(&mut self, db: u64, key: &PapyraKey, salvaged: bool) -> Flow {
        let name = format!("{}:{}:{}", key.prefix, key.system_id, key.kind.name());
        let (papyra, stream) = (key.clone(), StreamFacts::default());
        self.cut();
        self.open = Some(StreamGroups { key: name, db, papyra, stream, salvaged, groups: Vec::new() });
        Flow::Continue(())
    }

    fn entry(&mut self, _entry: &Entry<'_>) -> Flow {
        Flow::Continue(())
    }

    fn group(&mut self, group: Group) {
        let listed = GroupExport::of(&group);
        self.unlisted += u64::from(listed.is_none());
        let wanted = listed.filter(|group| self.only.is_none_or(|only| name_of(only) == name_of(&group.name)));
        if let (Some(stream), Some(group)) = (&mut self.open, wanted) {
            stream.groups.push(group);
        }
    }

    fn end(&mut self, facts: &StreamFacts) {
        self.streams.extend(self.open.take().map(|open| StreamGroups { stream: facts.clone(), ..open }));
    }
}

fn gather(args: &Args, out: &mut Out) -> Result<GroupsFile> {
    let settings = Settings::of(&args.common, None)?;
    let source = settings.source()?;
    let mut gatherer =
        Gatherer { only: args.group.as_deref(), open: None, streams: Vec::new(), cut: Vec::new(), unlisted: 0 };
    let size = if let Source::Redis(_, backup) = &source { Some(backup.size()) } else { None };
    let progress = Progress::new(args.common.output.quiet, size);
    let damage =
        source.each_stream(&settings.scope()?, settings.scanning(&progress), &mut gatherer)?.ok_or_else(|| {
            let text =
                "groups and pending entries are listed of Redis backups; of a server: `papyra redis groups list`";
            Error::new(Code::Usage, text)
        })?;
    gatherer.cut();
    shown::may_not_be_all(damage, &args.common, out);
    for key in gatherer.cut {
        out.message(&format!("{} is cut off by the damage: its groups are not known", escape(key.as_bytes())));
    }
    if gatherer.unlisted > 0 {
        let text = format!(
            "{} groups cannot be listed: they wait for more entries than are held in memory; \
             `papyra persistence scan` shows their figures",
            gatherer.unlisted
        );
        return Err(Error::new(Code::Data, text));
    }
    Ok(GroupsFile::new(gatherer.streams))
}
