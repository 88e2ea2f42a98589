# sweep_plot.awk: the table of sweep.sh as SVG: for each point the ratio over the multiplications of a step.
# Usage: awk -f sweep_plot.awk TABLE >PICTURE.svg
function log2(x) { return log(x) / log(2) }
function px(work) { return 60 + (log2(work) - x0) * 660 / (x1 - x0) }
function py(ratio) { return 350 - (log2(ratio) - y0) * 320 / (y1 - y0) }
function label(x, y, anchor, what) { printf "<text x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, what }
{
    split($7, length_, /\.\./)
    work[NR] = 3 * (4 * $2 * $2 + 2 * $2 * $5) * $4 * $6 * (length_[1] + length_[3]) / 2
    ratio[NR] = $11
    varied[NR] = $1
    if (!($1 in color)) { order[++kinds] = $1; color[$1] = kinds }
    if (NR == 1 || log2(work[NR]) < x0) x0 = log2(work[NR])
    if (NR == 1 || log2(work[NR]) > x1) x1 = log2(work[NR])
    if (NR == 1 || $11 > most) most = $11
    if (NR == 1 || $11 < least) least = $11
}
END {
    split("#1f77b4 #d62728 #2ca02c #9467bd #ff7f0e #17becf #7f7f7f", palette, " ")
    x0 = int(x0) - 0.5; x1 = int(x1) + 1.5
    y0 = least < 1 ? int(log2(least)) - 1 : 0
    y1 = int(log2(most)) + 1
    print "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 740 400\" font-family=\"sans-serif\" font-size=\"12\">"
    print "<title>Speed of t2i-train divided by that of PyTorch, over the size of a step</title>"
    print "<rect width=\"740\" height=\"400\" fill=\"white\"/>"
    for (y = y0; y <= y1; y++) {
        printf "<line x1=\"60\" x2=\"720\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"%s\"/>\n", py(2 ^ y), py(2 ^ y), y == 0 ? "#000" : "#ddd"
        label(54, py(2 ^ y) + 4, "end", (y < 0 ? "1/" 2 ^ -y : 2 ^ y) "x")
    }
    for (x = 10; x <= x1; x += 5) if (x >= x0) {
        printf "<line x1=\"%.1f\" x2=\"%.1f\" y1=\"350\" y2=\"355\" stroke=\"#000\"/>\n", px(2 ^ x), px(2 ^ x)
        label(px(2 ^ x), 369, "middle", "2<tspan dy=\"-5\" font-size=\"9\">" x "</tspan>")
    }
    label(390, 392, "middle", "multiplications of a step (dense, all characters)")
    for (i = 1; i <= NR; i++)
        printf "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" fill=\"%s\" fill-opacity=\"0.75\"/>\n", px(work[i]), py(ratio[i]), palette[color[varied[i]]]
    for (k = 1; k <= kinds; k++) {
        printf "<circle cx=\"600\" cy=\"%d\" r=\"4\" fill=\"%s\"/>\n", 26 + 17 * k, palette[k]
        label(610, 30 + 17 * k, "start", "varied: " order[k])
    }
    print "</svg>"
}
