//! The operations that requests ask for and transactions carry out.

use std::fmt;

/// The number of an operation, in a REQUEST and in a transaction's header alike. Numbers that no
/// release forwards or proposes are kept as they are.
///
/// Source: `apache/zookeeper: zookeeper-server/src/main/java/org/apache/zookeeper/ZooDefs.java`, OpCode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum OpCode {
    /// −11: a session ends.
    CloseSession,
    /// −10: a session begins.
    CreateSession,
    /// −1, in transactions only: a write that failed and took a zxid all the same.
    Error,
    /// 1: a znode is made.
    Create,
    /// 2: a znode is removed.
    Delete,
    /// 5: a znode's data is replaced.
    SetData,
    /// 7: a znode's access control list is replaced.
    SetAcl,
    /// 9, in requests only: what was committed up to now is wanted.
    Sync,
    /// 13: a version is compared, inside a multi.
    Check,
    /// 14: several operations or none.
    Multi,
    /// 15: a znode is made, and its stat returned (3.5+).
    Create2,
    /// 16: the ensemble is reconfigured (3.5+).
    Reconfig,
    /// 19: a container znode is made (3.5.1+).
    CreateContainer,
    /// 20: an empty container is removed (3.5.1+).
    DeleteContainer,
    /// 21: a znode with a time to live is made (3.5.3+).
    CreateTtl,
    /// Any other number.
    Unknown(i32),
}

impl OpCode {
    /// The operation of a number on the wire.
    #[must_use]
    pub const fn from_number(number: i32) -> Self {
        match number {
            -11 => Self::CloseSession,
            -10 => Self::CreateSession,
            -1 => Self::Error,
            1 => Self::Create,
            2 => Self::Delete,
            5 => Self::SetData,
            7 => Self::SetAcl,
            9 => Self::Sync,
            13 => Self::Check,
            14 => Self::Multi,
            15 => Self::Create2,
            16 => Self::Reconfig,
            19 => Self::CreateContainer,
            20 => Self::DeleteContainer,
            21 => Self::CreateTtl,
            other => Self::Unknown(other),
        }
    }

    /// Its number on the wire.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::CloseSession => -11,
            Self::CreateSession => -10,
            Self::Error => -1,
            Self::Create => 1,
            Self::Delete => 2,
            Self::SetData => 5,
            Self::SetAcl => 7,
            Self::Sync => 9,
            Self::Check => 13,
            Self::Multi => 14,
            Self::Create2 => 15,
            Self::Reconfig => 16,
            Self::CreateContainer => 19,
            Self::DeleteContainer => 20,
            Self::CreateTtl => 21,
            Self::Unknown(other) => other,
        }
    }

    /// Its name as ZooKeeper's `OpCode` spells it; `unknown` where there is none.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CloseSession => "closeSession",
            Self::CreateSession => "createSession",
            Self::Error => "error",
            Self::Create => "create",
            Self::Delete => "delete",
            Self::SetData => "setData",
            Self::SetAcl => "setACL",
            Self::Sync => "sync",
            Self::Check => "check",
            Self::Multi => "multi",
            Self::Create2 => "create2",
            Self::Reconfig => "reconfig",
            Self::CreateContainer => "createContainer",
            Self::DeleteContainer => "deleteContainer",
            Self::CreateTtl => "createTTL",
            Self::Unknown(_) => "unknown",
        }
    }

    /// Whether a learner forwards it in a REQUEST.
    #[must_use]
    pub const fn is_request(self) -> bool {
        !matches!(self, Self::Error | Self::Unknown(_))
    }

    /// Whether it can stand in the header of a PROPOSAL or INFORM.
    #[must_use]
    pub const fn is_txn(self) -> bool {
        !matches!(self, Self::Sync | Self::Check | Self::Unknown(_))
    }

    /// Whether its body begins with the path it is about, in a request and in a transaction.
    pub(super) const fn leads_with_path(self) -> bool {
        matches!(
            self,
            Self::Create
                | Self::Delete
                | Self::SetData
                | Self::SetAcl
                | Self::Sync
                | Self::Check
                | Self::Create2
                | Self::CreateContainer
                | Self::DeleteContainer
                | Self::CreateTtl
        )
    }
}

impl fmt::Display for OpCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(number) => write!(f, "unknown({number})"),
            known => f.write_str(known.name()),
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
    fn every_number_has_one_operation() {
        for number in -20..120 {
            let op = OpCode::from_number(number);
            assert_eq!(op.number(), number);
            assert_eq!(op.name() == "unknown", matches!(op, OpCode::Unknown(_)));
        }
        assert_eq!(OpCode::Unknown(77).to_string(), "unknown(77)");
        assert_eq!(OpCode::SetAcl.to_string(), "setACL");
        assert!(OpCode::Sync.is_request() && !OpCode::Sync.is_txn());
        assert!(OpCode::Error.is_txn() && !OpCode::Error.is_request());
    }
}
