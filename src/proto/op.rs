//! Operation numbers of requests and transactions.

use super::wire_enum::wire_enum;

wire_enum! {
    /// The number of an operation, in a REQUEST and in a transaction's header alike.
    ///
    /// Source: `apache/zookeeper: zookeeper-server/src/main/java/org/apache/zookeeper/ZooDefs.java`, OpCode.
    pub enum OpCode {
        /// −11: a session ends.
        CloseSession = -11, "closeSession";
        /// −10: a session begins.
        CreateSession = -10, "createSession";
        /// −1, in transactions only: a write that failed, and used up a zxid.
        Error = -1, "error";
        /// 1: create a znode.
        Create = 1, "create";
        /// 2: delete a znode.
        Delete = 2, "delete";
        /// 5: replace a znode's data.
        SetData = 5, "setData";
        /// 7: replace a znode's access control list.
        SetAcl = 7, "setACL";
        /// 9, in requests only: wait for everything committed so far.
        Sync = 9, "sync";
        /// 13: compare a znode's version, inside a multi.
        Check = 13, "check";
        /// 14: several operations, all or none.
        Multi = 14, "multi";
        /// 15: create a znode and return its stat (3.5+).
        Create2 = 15, "create2";
        /// 16: reconfigure the ensemble (3.5+).
        Reconfig = 16, "reconfig";
        /// 19: create a container znode (3.5.1+).
        CreateContainer = 19, "createContainer";
        /// 20: delete an empty container (3.5.1+).
        DeleteContainer = 20, "deleteContainer";
        /// 21: create a znode with a time to live (3.5.3+).
        CreateTtl = 21, "createTTL";
        _ = "unknown";
    }
}

impl OpCode {
    /// Whether a learner forwards it in a REQUEST.
    #[must_use]
    pub const fn is_request(self) -> bool {
        !matches!(self, Self::Error | Self::Unknown(_))
    }

    /// Whether it can be the type of a transaction, in a PROPOSAL or INFORM.
    #[must_use]
    pub const fn is_txn(self) -> bool {
        !matches!(self, Self::Sync | Self::Check | Self::Unknown(_))
    }

    /// Whether its body begins with a path, in requests and in transactions.
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
