// Package store keeps orders, facts, actions, the journal, leases, runs, alerts,
// pauses and chains files in DynamoDB, and reads and writes what a snapshot holds of them.
//
// # What may be relied on
//
// Every write names what it expects to find; a write that finds something else
// changes nothing and returns the conflict error of its interface. What
// changes together is written in one transaction. Reads that something is
// concluded from are consistent; only [Orders.Due] reads an index, which may
// lag behind.
//
// A write whose answer was lost is sent again by the SDK, or by the caller, and
// then fails on its own success. So each item carries a write token, made of
// what was written and of a number of this Store's own: the same write finds
// its token and has succeeded; the same content from another process does not.
//
// Nothing depends on the TTL service, which deletes late: whatever expires is
// tested against the clock by its reader and its next writer.
//
// # Tables
//
// Every table has the string keys pk and sk and the TTL attribute expires_at
// (epoch seconds). Items also carry v, the schema version; n, the version that
// conditions compare; w, the write token; and b, the content as compressed
// JSON. Work, journal entries and alerts also say which run wrote them last
// (run), to be found in the logs; nothing reads it. Short names, because
// capacity is counted on them too. Readers accept
// the schema version before their own and refuse any later one.
//
//	orders   order#<chain>:<escrow>  order                an order; wake times and index keys beside it
//	         order#<chain>:<escrow>  hist#work#<n>#…      its finished work
//	         watch#<chain>           <escrow>#<order>     the watch book; of a source, with the tag of its order
//	         closed#orders           <time>#<order>       a closed order, by the time of its closing (epoch seconds)
//	         chain#<chain>           facts                marks and provisional facts
//	         chain#<chain>           facts#<gen>#<part>   parts of facts too large for one item
//	         parked#<chain>          <hashlock>#<escrow>  dst escrows without an order
//	         parked#<chain>          room                 how many there are
//	         feed#<day>#<shard>      <time>#<what>        an event, see package tally; 31 days from its time
//	         feed-fresh#<shard>      <name>               hours to be counted anew; 31 days
//	actions  <mode>#<chain>#<taker>  <escrow>#<call>…     live work
//	journal  <mode>#<chain>#<signer> open                 the next nonce
//	         <mode>#<chain>#<signer> open#<nonce>         an open entry
//	         <mode>#<chain>#<signer> done#<nonce>         a settled one
//	jobs     <lease key>             lease                who holds it; never deleted
//	         run#<job>               <scheduled time>     how a run ended
//	         watchdog                book                 how the jobs do, see Runs.JobHealth
//	         run-fresh               <name>               hours whose runs are to be counted anew; 31 days
//	         tally                   hour#<hour>          what was counted of an hour; 30 days from its start
//	         tally                   sums                 the last hour, day and week, as of the last pass
//	         alert#<key>             entry                an alert
//	         outbox                  <key>                an alert to be announced: its severity (rank), and since when (ms)
//	         open-alerts             <key>                one that is open, escalated or acknowledged; likewise
//	         resolved-alerts         <when>#<key>         a life that ended then, whole; TTL 51 h
//	         alert-rate#<what>       count                how many messages a window has had; TTL its end
//	         control                 control              the pauses
//	         chains-file             state                which chains file is wanted and in force, see package settings; never deleted
//	         chains-file             file#<sha-256>       a chains file, as its base64 in JSON; never deleted
//	         balance#<chain>         <scheduled time>     what accounts held; 7 days
//	         health                  state                the last checks, and the last 50 changes; 7 days
//	         report#<page>           told                 a report that was told of; 30 days
//	         snapshot                restore              how far the latest restore has come; never deleted
//	         cleanup                 batch                the orders that are being archived
//	         cleanup                 damaged              keys of archived objects that cannot be read; never deleted
//
// A snapshot of balances (balance.Snapshot) has amounts in base units, prices in
// wei and counts in actions; beside its body stands missing, how many readings
// there are none of: a tick's snapshot is replaced only by one with fewer. The
// health item (health.State) has latencies in milliseconds and ages in seconds.
// Both expire seven days after their tick, which their readers test themselves:
// [Balances] for balance-monitor, health-check and daily-report, [Health] for
// health-check and whoever shows it. Nothing else reads them.
//
// Lease keys are job#<job>, signer#<chain>#<address> and slot#<number>. The
// watchdog's book is a watchdog.Book: times in RFC 3339, durations in nanoseconds;
// it does not expire, and whoever reads it compares its time with the clock. Run
// items are kept for job.Kept, two days or more.
//
// Hours are written 2006-01-02T15, in UTC; times of blocks and margins are in
// seconds, of requests in milliseconds, amounts in a token's smallest unit and
// costs in wei. Beside how a run ended its item holds the class of its failure,
// queued and sent_by where messages started it (job.Cause; its lease has the same, and orphan_… those of
// the run that died holding it), and, where it asked chains, rpc, rpc_failed, rpc_timeout and rpc_throttled
// (requests), rpc_ms (their time) and rpc_max_ms.
// Events, marks and tallies are read by package tally alone; its Reader is for
// everybody else.
//
// Beside an order's body stands s, the version with which that became what it is;
// the later ones moved the wake times. The tag in the watch book is of both, see
// package snapshot, and written with each change of the body or before it; n beside it
// is the version of the order that it was written for.
//
// The orders table has two sparse indexes with the keys alone, src and dst: by
// chain and shard, sorted by the wake time on that chain. Closed orders, and
// those that never wake there, are not in them. Closed orders have a partition of
// their own, by the time of their closing, which stands in the order's closed_at
// (epoch seconds). So the cost of what is due does not grow with what is open or
// kept, that of an account's open entries not with what was ever settled, and that
// of live work not with history.
package store
