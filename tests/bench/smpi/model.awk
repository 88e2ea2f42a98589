# A step by a model, fitted from lines "compute ROWS SECONDS", "two ROWS SECONDS" (a rank of two; not fitted: to look at), "sum BYTES
# SECONDS" (two ranks of a node), "network NODES EXCHANGE-ms UPDATE-ms" (1 MiB, a rank a node), "parameters COUNT":
#   compute  a + b rows                                                                   rows of a rank
#   node     s + g bytes                                                                  bytes of a gradient; ranks of a node together
#   between  2 c + 2 k (N - 1) + 2 w bytes (1 - 1/N), and node once more where p > 1      P ranks, p on each of N nodes; w: 1 / bandwidth of a node
# The ranks of a node first sum up what is the node's: one gradient passes its link, then its weights. "Each its own": if each rank sent
# its subtree to the P - p owners on other nodes:
#   between  2 c + k ((P - p) + (N - 1)) + w bytes (p + 1) (1 - 1/N)
function line(n, sx, sy, sxx, sxy) { slope = (n * sxy - sx * sy) / (n * sxx - sx * sx); cut = (sy - slope * sx) / n }
function between(P, p, N, each) {
    if (N == 1) return 0
    if (each) return 2 * c + k * (P - p + N - 1) + w * bytes * (p + 1) * (1 - 1 / N)
    return 2 * c + 2 * k * (N - 1) + 2 * w * bytes * (1 - 1 / N) + (p > 1 ? node : 0)
}
$1 == "compute" { n1++; x1 += $2; y1 += $3; xx1 += $2 * $2; xy1 += $2 * $3; rows_of[n1] = $2; took[n1] = $3 }
$1 == "two" { two_rows = $2; two = $3 }
$1 == "sum" { n2++; x2 += $2; y2 += $3; xx2 += $2 * $2; xy2 += $2 * $3 }
$1 == "network" { n3++; N3[n3] = $2; t3[n3] = ($3 + $4) / 2e3 }
$1 == "parameters" { bytes = 4 * $2 }
END {
    w = 1 / 12.5e9
    line(n1, x1, y1, xx1, xy1); a = cut; b = slope
    line(n2, x2, y2, xx2, xy2); s = cut > 0 ? cut : 0; g = slope; node = s + g * bytes
    for (i = 1; i <= n3; i++) { x = N3[i] - 1; y = t3[i] - w * 1048576 * (1 - 1 / N3[i]); sx += x; sy += y; sxx += x * x; sxy += x * y }
    line(n3, sx, sy, sxx, sxy); c = cut; k = slope
    printf "fitted: a %.3f ms, b %.4f ms a row (t2i-train, 1 rank); s %.3f ms, g %.4f ms a MB (t2i-doctor, 2 ranks); ", 1e3 * a, 1e3 * b, 1e3 * s, 1e9 * g
    printf "c %.4f ms, k %.2f us (network.txt); given: w 1 / 12.5 GB/s; gradient %.2f MB\n", 1e3 * c, 1e6 * k, bytes / 1e6
    printf "model / measured:"
    for (i = 1; i <= n1; i++) printf " 1 rank x %d rows %.2f,", rows_of[i], (a + b * rows_of[i]) / took[i]
    printf " 2 ranks x %d rows %.2f;", two_rows, (a + b * two_rows + node) / two
    for (i = 1; i <= n3; i++) printf " %d nodes %.2f%s", N3[i], (c + k * (N3[i] - 1) + w * 1048576 * (1 - 1 / N3[i])) / t3[i], i < n3 ? "," : "\n\n"
    print "| ranks | a node | messages a rank | rows a rank | step | efficiency | each its own | efficiency |\n|---|---|---|---|---|---|---|---|"
    for (p = 16; p <= 64; p *= 4) for (r = 16; r <= 64; r *= 4) for (P = 1; P <= 1024; P *= 4) {
        q = P < p ? P : p; N = P / q; compute = a + b * r; all = compute + (q > 1 ? node : 0)
        tree = all + between(P, q, N, 0); flat = all + between(P, q, N, 1)
        printf "| %d | %d | %d | %d | %.2f ms | %.0f %% | %.2f ms | %.0f %% |\n", P, q, 4 * (N - 1), r, 1e3 * tree, 100 * compute / tree, 1e3 * flat, 100 * compute / flat
    }
}
