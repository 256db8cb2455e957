//! A learner's introduction: the data of FOLLOWERINFO and OBSERVERINFO.

use super::id::Sid;
use super::jute;

/// A learner's identity and protocol version. Releases added fields, so the absent ones tell the release.
///
/// | offset | size | field | since |
/// | --- | --- | --- | --- |
/// | 0 | 8 | sid | 3.2; no data at all before |
/// | 8 | 4 | protocol version, 0x10000 | 3.4.0 |
/// | 12 | 8 | version of its committed configuration | 3.5.0 |
///
/// Source: `apache/zookeeper: zookeeper-server/.../server/quorum/LearnerHandler.java`, run;
/// `zookeeper-jute/src/main/resources/zookeeper.jute`, LearnerInfo.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LearnerInfo {
    /// Its sid; if there is none, the leader assigns one.
    pub sid: Option<Sid>,
    /// Its protocol version; below [`LearnerInfo::PROTOCOL`] it uses the handshake of 3.3.
    pub protocol_version: Option<i32>,
    /// The version of the configuration it has committed.
    pub config_version: Option<u64>,
}

impl LearnerInfo {
    /// The only protocol version so far, in LEADERINFO too.
    pub const PROTOCOL: i32 = 0x0001_0000;

    /// Decodes it as the leader does: an incomplete field is absent, and bytes after the last field are
    /// ignored. So this never fails, and reads cut data as well.
    #[must_use]
    pub fn decode(data: &[u8]) -> Self {
        let mut info = Self::default();
        let Some((sid, rest)) = data.split_first_chunk() else { return info };
        info.sid = Some(Sid(i64::from_be_bytes(*sid)));
        let Some((version, rest)) = rest.split_first_chunk() else { return info };
        info.protocol_version = Some(i32::from_be_bytes(*version));
        info.config_version = rest.first_chunk().map(|version| u64::from_be_bytes(*version));
        info
    }

    /// Appends the fields up to the first absent one to `out`.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let Some(sid) = self.sid else { return };
        jute::put_long(out, sid.0);
        let Some(version) = self.protocol_version else { return };
        jute::put_int(out, version);
        if let Some(version) = self.config_version {
            jute::put_id(out, version);
        }
    }
}

#[cfg(test)]
#[allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a test fails by panicking"
)]
mod tests {
    use super::*;

    #[test]
    fn every_field_is_there_or_not() {
        let mut data = 3_i64.to_be_bytes().to_vec();
        data.extend(0x10000_i32.to_be_bytes());
        data.extend(0x5_0000_0000_u64.to_be_bytes());
        data.push(0xff);
        for len in 0..=data.len() {
            let info = LearnerInfo::decode(&data[..len]);
            assert_eq!(info.sid, (len >= 8).then_some(Sid(3)));
            assert_eq!(info.protocol_version, (len >= 12).then_some(LearnerInfo::PROTOCOL));
            assert_eq!(info.config_version, (len >= 20).then_some(0x5_0000_0000));
            let mut again = Vec::new();
            info.encode(&mut again);
            assert_eq!(again, data[..[0, 8, 12, 20].into_iter().rfind(|whole| *whole <= len).unwrap()]);
        }
    }
}
