//! Path templates: `{site}/{ensemble}/{host}/...`.

use std::collections::BTreeMap;
use std::str::FromStr;

/// A template for paths below a folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Template {
    parts: Vec<FolderPart>,
    /// Whether it ends in `...`: anything may follow.
    is_open: bool,
}

/// One folder's name: something before, a name, something behind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct FolderPart {
    before: String,
    /// What is named; `None` for `*`, which stands for anything.
    name: Option<String>,
    behind: String,
    is_literal: bool,
}

impl FromStr for Template {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (text, is_open) =
            text.strip_suffix("...").map_or((text, false), |text| (text.trim_end_matches('/'), true));
        let parts = text.split('/').map(part).collect::<Result<Vec<_>, _>>()?;
        if !parts.iter().any(|part| part.name.is_some()) {
            return Err("a template names something, as in {site}/{ensemble}/{host}/...".to_owned());
        }
        Ok(Self { parts, is_open })
    }
}

fn part(text: &str) -> Result<FolderPart, String> {
    let literal = |text: &str| FolderPart {
        before: text.to_owned(),
        name: None,
        behind: String::new(),
        is_literal: true,
    };
    if text.is_empty() {
        return Err("a template has no empty folder name".to_owned());
    }
    if let Some((before, behind)) = text.split_once('*') {
        return Ok(FolderPart {
            before: before.to_owned(),
            behind: behind.to_owned(),
            is_literal: false,
            ..literal("")
        });
    }
    let Some((before, rest)) = text.split_once('{') else { return Ok(literal(text)) };
    let Some((name, behind)) = rest.split_once('}') else {
        return Err(format!("{text}: a brace is not closed"));
    };
    if !matches!(name, "site" | "ensemble" | "host" | "date") {
        return Err(format!("{{{name}}}: a template knows {{site}}, {{ensemble}}, {{host}} and {{date}}"));
    }
    let name = Some(name.to_owned());
    Ok(FolderPart { before: before.to_owned(), name, behind: behind.to_owned(), is_literal: false })
}

impl Template {
    /// What a path says; `None` where it is not of this form.
    #[must_use]
    pub fn read(&self, path: &str) -> Option<BTreeMap<String, String>> {
        let folders: Vec<_> = path.split('/').filter(|folder| !folder.is_empty()).collect();
        let fits =
            if self.is_open { folders.len() > self.parts.len() } else { folders.len() == self.parts.len() };
        if !fits {
            return None;
        }
        let mut names = BTreeMap::new();
        for (part, folder) in self.parts.iter().zip(folders) {
            let rest = folder.strip_prefix(part.before.as_str())?;
            let value = rest.strip_suffix(part.behind.as_str())?;
            if part.is_literal && !value.is_empty() || !part.is_literal && value.is_empty() {
                return None;
            }
            if let Some(name) = &part.name {
                names.insert(name.clone(), value.to_owned());
            }
        }
        Some(names)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    fn read(template: &str, path: &str) -> Option<Vec<String>> {
        let names = template.parse::<Template>().unwrap().read(path)?;
        Some(names.into_iter().map(|(name, value)| format!("{name}={value}")).collect())
    }

    #[test]
    fn folders_say_who_is_where() {
        let found = read("{site}/{ensemble}/{host}/...", "fra1/payments/zk1/2026/a.pcap").unwrap();
        assert_eq!(found, ["ensemble=payments", "host=zk1", "site=fra1"]);
        assert_eq!(read("{site}/{ensemble}/{host}/...", "fra1/payments/zk1"), None, "a file is behind them");
        assert_eq!(read("site={site}/*/zk-{host}.pcap", "site=a/b/zk-7.pcap").unwrap(), ["host=7", "site=a"]);
        assert_eq!(read("logs/{site}/...", "other/a/b"), None);
        assert_eq!(read("logs/{site}/...", "logs2/a/b"), None);
    }

    #[test]
    fn nonsense_is_refused() {
        for text in ["", "a/b", "{site", "{town}/...", "{site}//{host}", "..."] {
            assert!(text.parse::<Template>().is_err(), "{text}");
        }
    }
}
