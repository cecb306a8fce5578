//! Backups changed by hand, with checksums that hold all the same: what somebody could do who means harm, or another
//! version of the tools.

use papyra_core::redis::StreamPayload;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::Workshop;

fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Workshop {
    /// Changes the manifest of the backup in `folder`, and makes `SHA256SUMS` agree.
    pub fn forge(&self, folder: &str, change: impl FnOnce(&mut Value)) {
        let name = format!("{folder}/manifest.json");
        let mut manifest: Value = serde_json::from_slice(&self.read(&name)).expect("a manifest");
        change(&mut manifest);
        let text = serde_json::to_string(&manifest).expect("JSON");
        let mut sums = format!("{}  manifest.json\n", sha256(text.as_bytes()));
        self.write(&name, text);
        for file in manifest["files"].as_array().into_iter().flatten() {
            let (hash, name) =
                (file["stored_sha256"].as_str().expect("a hash"), file["stored"].as_str().expect("a name"));
            sums.push_str(&format!("{hash}  {name}\n"));
        }
        self.write(&format!("{folder}/SHA256SUMS"), sums);
    }

    /// Writes the payloads of a backup as ones of a type that only Redis 8.8 and later know.
    pub fn forge_newer(&self, folder: &str) {
        self.forge(folder, |manifest| {
            let files = manifest["files"].as_array_mut().expect("files").iter_mut();
            for file in files.filter(|file| file["content"] == "dump") {
                let name = format!("{folder}/{}", file["stored"].as_str().expect("a name"));
                let bytes = self.read(&name);
                let bytes = StreamPayload::of(&bytes, usize::MAX).expect("a stream").as_type(27);
                assert!(bytes.len() < 1 << 20, "one stretch");
                file["blocks"]["crc32"] = json!(format!("{:08x}", crc32fast::hash(&bytes)));
                (file["sha256"], file["stored_sha256"]) = (json!(sha256(&bytes)), json!(sha256(&bytes)));
                (file["bytes"], file["stored_bytes"]) = (json!(bytes.len()), json!(bytes.len()));
                self.write(&name, bytes);
            }
        });
    }
}
