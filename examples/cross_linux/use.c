/* A layer that lowbit exported for another processor, called from C. */
#include <stdio.h>
#include "layer.h"

int main(void) {
    static uint8_t x[LAYER_X_BYTES];
    static int32_t y[LAYER_Y_BYTES / 4];
    static _Alignas(LAYER_ARENA_ALIGNMENT) char arena[LAYER_ARENA_BYTES];

    for (int i = 0; i < LAYER_X_BYTES; i++) x[i] = i % 4;
    layer(x, y, arena);
    return fwrite(y, 1, sizeof y, stdout) != sizeof y;
}
