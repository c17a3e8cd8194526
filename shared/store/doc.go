// Package store keeps orders, facts, actions, the journal, leases, runs and
// alerts in DynamoDB, and reads and writes what a snapshot holds of them.
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
// JSON. Short names, because capacity is counted on them too. Readers accept
// the schema version before their own and refuse any later one.
//
//	orders   order#<chain>:<escrow>  order                an order; wake times and index keys beside it
//	         order#<chain>:<escrow>  hist#work#<n>#…      its finished work
//	         watch#<chain>           <escrow>#<order>     the watch book
//	         closed#orders           <time>#<order>       a closed order, by the time of its closing (epoch seconds)
//	         chain#<chain>           facts                marks and provisional facts
//	         chain#<chain>           facts#<gen>#<part>   parts of facts too large for one item
//	         parked#<chain>          <hashlock>#<escrow>  dst escrows without an order
//	         parked#<chain>          room                 how many there are
//	actions  <mode>#<chain>#<taker>  <escrow>#<call>…     live work
//	journal  <mode>#<chain>#<signer> open                 the next nonce
//	         <mode>#<chain>#<signer> open#<nonce>         an open entry
//	         <mode>#<chain>#<signer> done#<nonce>         a settled one
//	jobs     <lease key>             lease                who holds it; never deleted
//	         run#<job>               <scheduled time>     how a run ended
//	         stats#<job>             sum                  sums over the runs
//	         alert#<key>             entry                an alert
//	         outbox                  <key>                an alert to be announced
//	         report#<page>           told                 a report that was told of; 30 days
//	         control                 …                    control flags
//	         snapshot                restore              how far the latest restore has come; never deleted
//	         cleanup                 batch                the orders that are being archived
//
// The orders table has two sparse indexes with the keys alone, src and dst: by
// chain and shard, sorted by the wake time on that chain. Closed orders, and
// those that never wake there, are not in them. Closed orders have a partition of
// their own, by the time of their closing, which stands in the order's closed_at
// (epoch seconds). So the cost of what is due does not grow with what is open or
// kept, that of an account's open entries not with what was ever settled, and that
// of live work not with history.
package store
