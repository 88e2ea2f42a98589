#include "checkpoint/loss_spike.h"

#include <math.h>

#include "base/portable_math.h"

static double level(double loss)
{
    return t2i_log64(loss > 1e-30 ? loss : 1e-30);
}

double t2i_loss_spike_score(const t2i_loss_spike *spike, double loss)
{
    double above = level(loss) - (double)spike->mean;
    if (spike->steps < T2I_LOSS_SPIKE_STEPS || above <= 0.0) return 0.0;
    return above / (sqrt((double)spike->variance) + 0.05);
}

void t2i_loss_spike_add(t2i_loss_spike *spike, double loss)
{
    long counted = spike->steps < T2I_LOSS_SPIKE_STEPS ? spike->steps + 1 : T2I_LOSS_SPIKE_STEPS;
    double rate = 1.0 / (double)counted, off = level(loss) - (double)spike->mean;
    spike->mean = (float)((double)spike->mean + rate * off);
    spike->variance = (float)((1.0 - rate) * ((double)spike->variance + rate * off * off));
    spike->steps++;
}
