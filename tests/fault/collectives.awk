# collectives.awk: do the logs of a job's ranks (shim_mpi.c) fit together? Usage: awk -f collectives.awk LOG.0 LOG.1 ...
# Ranks of a communicator must take part in the same calls of it in the same order, with the same bytes and root, and
# everything that is sent must be received, in the same order, with the same size. Says what does not fit, and exits 1.
function wrong(text) { print text; bad = 1 }
FNR == 1 { rank = FILENAME; sub(/.*\./, "", rank); ranks++ }
$1 == "end" { ended++; next }
$2 == "send" { sent[$1, rank, $4, ++sends[$1, rank, $4]] = $3; next }
$2 == "receive" { got[$1, $4, rank, ++gets[$1, $4, rank]] = $3; next }
{
    n = ++calls[$1, rank]
    call = $2 " " $3 " bytes, root " $4
    if (!(($1, n) in says)) { says[$1, n] = call; by[$1, n] = rank }
    else if (says[$1, n] != call)
        if (!(($1) in told)) { told[$1]; wrong("communicator " $1 ", call " n ": rank " by[$1, n] " has " says[$1, n] "; rank " rank " has " call) }
    member[$1, rank]
    if (n > most[$1]) most[$1] = n
}
END {
    for (key in member) { split(key, k, SUBSEP); if (calls[k[1], k[2]] != most[k[1]]) wrong("communicator " k[1] ": rank " k[2] " has " calls[k[1], k[2]] " calls, others " most[k[1]]) }
    # a communicator of all ranks has its first rank as "@0"; of messages both ends are named by their place in it
    for (key in sends) { split(key, k, SUBSEP); if (gets[key] + 0 != sends[key]) wrong("communicator " k[1] ": " sends[key] " messages from " k[2] " to " k[3] ", " gets[key] + 0 " received") }
    for (key in gets) { split(key, k, SUBSEP); if (sends[key] + 0 != gets[key]) wrong("communicator " k[1] ": " sends[key] + 0 " messages from " k[2] " to " k[3] ", " gets[key] " received") }
    for (key in sent) if (key in got && sent[key] != got[key]) { split(key, k, SUBSEP); wrong("communicator " k[1] ": message " k[4] " from " k[2] " to " k[3] " has " sent[key] " bytes, and room for " got[key]) }
    for (key in most) total += most[key]
    if (ended != ranks) wrong(ranks - ended " of " ranks " ranks did not come to MPI_Finalize")
    if (!bad) print total " calls alike on " ranks " ranks"
    exit bad
}
