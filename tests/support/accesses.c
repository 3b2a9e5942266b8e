/* A plugin of QEMU that sees every access of memory, to the byte: what a call may not touch is told.

   qemu-riscv64 -plugin accesses.so,may=FILE,told=FILE,call=ADDRESS,code=ADDRESS PROGRAM

The calls are made one after the other by the instruction at `call`; code of theirs lies from `code` on. The
first file holds, of each call, how many ranges it may read or write, then these: begin, end, and whether it
may write. The second gets the first access of each call that lies in none: the number of the call, the
address of the instruction and of the access, its bytes, and whether it writes; all are u64.

What is used of QEMU's interface (its version 1) is declared here, as Debian has no header of it. */

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef uint64_t Id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void Translated(Id, struct qemu_plugin_tb *);
typedef void Executed(unsigned, void *);
typedef void Accessed(unsigned, uint32_t, uint64_t, void *);

void qemu_plugin_register_vcpu_tb_trans_cb(Id, Translated *);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *);
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *, Executed *, int, void *);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *, Accessed *, int, int, void *);
unsigned qemu_plugin_mem_size_shift(uint32_t);
bool qemu_plugin_mem_is_store(uint32_t);

int qemu_plugin_version = 1;

enum { NO_REGISTERS = 0, READS_AND_WRITES = 3 };

static uint64_t *ranges, count, caller, code, calls;
static bool faulty;
static FILE *told;

static void called(unsigned cpu, void *data) {
  (void)cpu, (void)data;
  if (calls++) ranges += 3 * count;
  count = *ranges++;
  faulty = false;
}

static void accessed(unsigned cpu, uint32_t how, uint64_t address, void *instruction) {
  (void)cpu;
  uint64_t bytes = UINT64_C(1) << qemu_plugin_mem_size_shift(how);
  bool writes = qemu_plugin_mem_is_store(how);
  for (uint64_t *one = ranges; one < ranges + 3 * count; one += 3)
    if (one[0] <= address && address + bytes <= one[1] && (!writes || one[2])) return;
  if (faulty) return;
  faulty = true;
  uint64_t said[] = {calls - 1, (uint64_t)(uintptr_t)instruction, address, bytes, writes};
  fwrite(said, sizeof said, 1, told);
  fflush(told);
}

static void translated(Id id, struct qemu_plugin_tb *block) {
  (void)id;
  for (size_t n = 0; n < qemu_plugin_tb_n_insns(block); n++) {
    struct qemu_plugin_insn *one = qemu_plugin_tb_get_insn(block, n);
    uint64_t place = qemu_plugin_insn_vaddr(one);
    if (place == caller) qemu_plugin_register_vcpu_insn_exec_cb(one, called, NO_REGISTERS, NULL);
    if (place >= code)
      qemu_plugin_register_vcpu_mem_cb(one, accessed, NO_REGISTERS, READS_AND_WRITES,
                                       (void *)(uintptr_t)place);
  }
}

static uint64_t *whole(const char *path) {
  FILE *file = fopen(path, "rb");
  if (!file || fseek(file, 0, SEEK_END)) return NULL;
  long size = ftell(file);
  uint64_t *held = malloc((size_t)size);
  rewind(file);
  return held && fread(held, 1, (size_t)size, file) == (size_t)size ? held : NULL;
}

int qemu_plugin_install(Id id, const void *info, int arguments, char **given) {
  (void)info;
  for (int n = 0; n < arguments; n++) {
    char *value = strchr(given[n], '=') + 1;
    if (!strncmp(given[n], "may=", 4)) ranges = whole(value);
    if (!strncmp(given[n], "told=", 5)) told = fopen(value, "wb");
    if (!strncmp(given[n], "call=", 5)) caller = strtoull(value, NULL, 0);
    if (!strncmp(given[n], "code=", 5)) code = strtoull(value, NULL, 0);
  }
  if (!ranges || !told) return 1;
  qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
  return 0;
}
