/* A layer that lowbit exported, called from C. */
#include <stdio.h>
#include "layer.h"

int main(void) {
    static uint8_t x[LAYER_X_BYTES];
    static int32_t y[LAYER_Y_BYTES / 4];
    static _Alignas(LAYER_ARENA_ALIGNMENT) char arena[LAYER_ARENA_BYTES];

    if (!layer_supported()) return puts("this processor cannot run the code"), 1;
    for (int i = 0; i < LAYER_X_BYTES; i++) x[i] = i % 4;
    layer(x, y, arena);

    long sum = 0;
    for (int i = 0; i < LAYER_Y_BYTES / 4; i++) sum += (long)y[i] * (i % 7);
    return printf("%ld\n", sum), 0;
}
