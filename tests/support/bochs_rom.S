# The whole firmware of the emulated machine: 64 KiB ending at 4 GiB, where an x86 starts.
#
# Goes from reset to long mode with AVX-512 on, makes the calls that bochs.py listed in the image at 1 MiB,
# one by one, and stops in the debugger. An exception ends a call, not the run.
#
# Header: +0 page tables, +8 first call, +16 past the last call, +24 top of the stack, +32 current call,
# +40 end of the image.
# Call: +0 function, +8 status (exception + 1, 0 for none), +16 error code, +24 rip, +32 cr2, +40 arguments.
        .set HEADER, 0x100000
        .set CALL_BYTES, 40 + 16 * 8
        .set CODE32, 8
        .set DATA, 16
        .set CODE64, 24
        .globl _start
_start:

        .code32
protected:
        mov $DATA, %eax
        mov %eax, %ds
        mov %eax, %es
        mov %eax, %ss
        # Bochs reads the image in one piece, and then gives out that memory a block at a time, in the
        # order in which the blocks are first touched: so touch them as they lie.
        mov $HEADER, %esi
        mov 40(%esi), %ecx
touch:
        mov (%esi), %eax
        add $0x1000, %esi
        cmp %ecx, %esi
        jb touch
        mov $0x40620, %eax              # CR4: PAE, OSFXSR, OSXMMEXCPT, OSXSAVE
        mov %eax, %cr4
        xor %ecx, %ecx
        xor %edx, %edx
        mov $0xe7, %eax                 # XCR0: x87, SSE, AVX, masks and all 32 zmm
        xsetbv
        mov HEADER, %eax
        mov %eax, %cr3
        mov $0xc0000080, %ecx           # EFER: long mode, and pages may forbid execution
        mov $0x900, %eax
        wrmsr
        mov $0x80010033, %eax           # CR0: PG, WP, NE, ET, MP, PE
        mov %eax, %cr0
        ljmp $CODE64, $long

        .code64
long:
        lidt idt_pointer(%rip)
        mov $HEADER, %r8d
        mov 8(%r8), %rbx
        mov %rbx, 32(%r8)
next:
        mov $HEADER, %r8d
        mov 32(%r8), %rbx
        mov 24(%r8), %rsp
        cmp 16(%r8), %rbx
        jae done
        # No kernel may rely on what registers hold.
        .irp i, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15
        vpternlogd $0xff, %zmm\i, %zmm\i, %zmm\i
        .endr
        .irp i, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
        vpternlogd $0xff, %zmm\i, %zmm\i, %zmm\i
        .endr
        .irp i, 0, 1, 2, 3, 4, 5, 6, 7
        kxnorq %k\i, %k\i, %k\i
        .endr
        .irp i, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6
        push 40+8*\i(%rbx)
        .endr
        mov 40(%rbx), %rdi
        mov 48(%rbx), %rsi
        mov 56(%rbx), %rdx
        mov 64(%rbx), %rcx
        mov 72(%rbx), %r8
        mov 80(%rbx), %r9
        mov (%rbx), %rax
        cld
        call *%rax
        mov $HEADER, %r8d
        mov 32(%r8), %rbx
        movq $0, 8(%rbx)
        jmp advance

        # Exceptions: the vector, the error code and the address lie on the stack.
fault:
        mov $HEADER, %r8d
        mov 32(%r8), %rbx
        pop %rax
        inc %rax
        mov %rax, 8(%rbx)
        pop 16(%rbx)
        pop 24(%rbx)
        mov %cr2, %rax
        mov %rax, 32(%rbx)
advance:
        addq $CALL_BYTES, 32(%r8)
        jmp next
done:
        xchg %bx, %bx                   # a break point of the debugger
        hlt

        .set stub_bytes, 16
        .balign stub_bytes
stubs:
        .set vector, 0
        .rept 32
        .balign stub_bytes
        .if (vector != 8) && (vector != 10) && (vector != 11) && (vector != 12) && (vector != 13) && (vector != 14) && (vector != 17)
        push $0
        .endif
        push $vector
        jmp fault
        .set vector, vector + 1
        .endr

        .balign 16
idt:
        .set vector, 0
        .rept 32
        .word stubs - _start + stub_bytes * vector, CODE64, 0x8e00, 0xffff
        .quad 0
        .set vector, vector + 1
        .endr
idt_pointer:
        .word idt_pointer - idt - 1
        .quad idt
gdt:
        .quad 0, 0x00cf9b000000ffff, 0x00cf93000000ffff, 0x00af9b000000ffff
gdt_pointer:
        .word gdt_pointer - gdt - 1
        .long gdt

        .code16
real:
        cli
        lgdtl %cs:gdt_pointer - _start
        mov %cr0, %eax
        or $1, %eax
        mov %eax, %cr0
        ljmpl $CODE32, $protected

        .org 0xfff0
        jmp real
        .org 0x10000
