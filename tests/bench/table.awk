# The table of `make bench`, and the same as JSON: awk -v json=F -v about=TEXT -f table.awk rows.txt VALUES
# VALUES: lines of "key value ours theirs" (value "-": there was nothing to compare with), or of "why key reason".

function trim(s) { gsub(/^[ \t]+|[ \t]+$/, "", s); return s }
function quoted(s) { gsub(/[\\"]/, "\\\\&", s); gsub(/[\001-\037]/, " ", s); return "\"" s "\"" }

# Sorts v[1..n].
function sort(v, n,   i, j, t) {
    for (i = 2; i <= n; i++) {
        t = v[i]
        for (j = i; j > 1 && v[j - 1] > t; j--) v[j] = v[j - 1]
        v[j] = t
    }
}
# The median of column c of key's lines; sets low, high and many.
function median(key, c,   v, i) {
    many = 0
    for (i = 1; i <= lines[key]; i++) if (value[key, i, c] != "-") v[++many] = value[key, i, c] + 0
    if (many == 0) return "-"
    sort(v, many)
    low = v[1]; high = v[many]
    return many % 2 ? v[(many + 1) / 2] : (v[many / 2] + v[many / 2 + 1]) / 2
}
function reached(goal, m,   word) {
    split(goal, word, " ")
    if (word[1] == "within") return m <= 1 + word[2] / 100 && 1 / m <= 1 + word[2] / 100
    return word[2] == "least" ? m >= word[3] : m <= word[3]
}
function number(x) { return x == "-" ? "null" : sprintf("%.6g", x) }

NR == FNR {
    if (/^#/ || !NF) next
    split($0, field, "|")
    k = trim(field[2]); order[++rows] = k
    work[k] = trim(field[3]); reference[k] = trim(field[4]); unit[k] = trim(field[5]); goal[k] = trim(field[6])
    next
}
$1 == "why" { k = $2; sub(/^why [^ ]+ /, ""); why[k] = $0; next }
{ n = ++lines[$1]; for (c = 2; c <= 4; c++) value[$1, n, c - 1] = $c }

END {
    line = "| %-50s | %-29s | %-23s | %-14s | %-8s |\n"
    printf line, "work", "reference", "median (low .. high)", "goal", "reached?"
    print "|---|---|---|---|---|"
    printf "{\n  \"about\": %s,\n  \"rows\": [", quoted(about) >json
    for (r = 1; r <= rows; r++) {
        k = order[r]
        if (!(k in lines) && !(k in why)) continue
        ours = median(k, 2); theirs = median(k, 3); m = median(k, 1)
        u = unit[k] == "x" ? "x" : " " unit[k]
        digits = unit[k] == "%" ? 1 : 2
        if (m == "-") { text = k in why ? why[k] : "nothing to compare with"; yes = "-"; low = high = "-" }
        else {
            text = sprintf("%.*f%s (%.*f .. %.*f)", digits, m, u, digits, low, digits, high)
            yes = goal[k] == "-" ? "-" : reached(goal[k], m) ? "yes" : "no"
        }
        printf line, work[k], reference[k], text, goal[k] (goal[k] == "-" ? "" : goal[k] ~ /within/ ? " %" : u), yes
        printf "%s\n    {\"key\": %s, \"work\": %s, \"reference\": %s, \"unit\": %s, \"rounds\": %d,", comma, quoted(k), quoted(work[k]),
            quoted(reference[k]), quoted(unit[k]), many >json
        printf "\n     \"median\": %s, \"low\": %s, \"high\": %s, \"ours\": %s, \"theirs\": %s, \"goal\": %s, \"reached\": %s%s}",
            number(m), number(low), number(high), number(ours), number(theirs), quoted(goal[k]),
            yes == "-" ? "null" : yes == "yes" ? "true" : "false", k in why ? ", \"why\": " quoted(why[k]) : "" >json
        comma = ","
    }
    print "\n  ]\n}" >json
}
