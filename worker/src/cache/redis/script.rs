//! What must happen in one step on the server. The holder of a lease is `sequence:executions:owner`.

use std::time::Duration;

use redis::Script;
use strata_proto::subject;

use crate::ports::Token;

/// 0 mine, 1 busy, 2 done. Only the next delivery of the same message may take a lease over; the same delivery may ask again.
const CLAIM: &str = r"
if redis.call('EXISTS', KEYS[2]) == 1 then return 2 end
local mine = ARGV[1] .. ':' .. ARGV[2] .. ':' .. ARGV[3]
local holder = redis.call('GET', KEYS[1])
if holder and holder ~= mine then
  local sequence, executions = string.match(holder, '^(%d+):(%d+):')
  if sequence ~= ARGV[1] or tonumber(ARGV[2]) <= tonumber(executions) then return 1 end
end
redis.call('SET', KEYS[1], mine, 'PX', ARGV[4])
return 0";

/// 1 while the lease is the caller's.
const RENEW: &str = r"
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])";

/// An inventory is a pure function of its key: whoever has one may store it, a dead worker's too.
const FINISH: &str = r"
redis.call('SET', KEYS[2], ARGV[2], 'EX', ARGV[3])
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return redis.status_reply('OK')";

const ABANDON: &str = r"
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('DEL', KEYS[1]) end
return redis.status_reply('OK')";

/// The count begins anew when its time is over: the first start of a window sets its end.
const STARTED: &str = r"
if redis.call('INCR', KEYS[1]) == 1 then redis.call('EXPIRE', KEYS[1], ARGV[1]) end
return redis.status_reply('OK')";

/// A count whose time is over is not begun by an end.
const STOPPED: &str = r"
local count = tonumber(redis.call('GET', KEYS[1]) or '0')
if count > 0 then redis.call('DECR', KEYS[1]) end
return redis.status_reply('OK')";

pub(super) struct Scripts {
    pub(super) started: Script,
    pub(super) stopped: Script,
    pub(super) claim: Script,
    pub(super) renew: Script,
    pub(super) finish: Script,
    pub(super) abandon: Script,
}

impl Scripts {
    pub(super) fn new() -> Self {
        Self {
            started: Script::new(STARTED),
            stopped: Script::new(STOPPED),
            claim: Script::new(CLAIM),
            renew: Script::new(RENEW),
            finish: Script::new(FINISH),
            abandon: Script::new(ABANDON),
        }
    }
}

/// The token as the lease's value.
pub(super) fn holder(token: &Token) -> String {
    subject::lease_holder(token.sequence, token.executions, &token.owner)
}

/// At least one: Redis refuses a time to live of nothing.
pub(super) fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX).max(1)
}
