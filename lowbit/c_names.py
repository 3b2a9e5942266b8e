"""What names mean in C and C++: those that functions and arguments of a header cannot have."""

from __future__ import annotations

import re

C_TYPES = {
    "uint8": "uint8_t",
    "int8": "int8_t",
    "uint16": "uint16_t",
    "int16": "int16_t",
    "uint32": "uint32_t",
    "int32": "int32_t",
    "uint64": "uint64_t",
    "int64": "int64_t",
    "float32": "float",
}
_WORDS = """
    alignas alignof and and_eq asm auto bitand bitor bool break case catch char char16_t char32_t char8_t
    class co_await co_return co_yield compl concept const const_cast consteval constexpr constinit continue
    decltype default delete do double dynamic_cast else enum explicit export extern false float for friend
    goto if inline int linux long mutable namespace new noexcept not not_eq nullptr operator or or_eq
    private protected public register reinterpret_cast requires restrict return short signed sizeof static
    static_assert static_cast struct switch template this thread_local throw true try typedef typeid
    typename typeof typeof_unqual union unix unsigned using virtual void volatile wchar_t while xor xor_eq
    _Alignas _Alignof _Atomic _BitInt _Bool _Complex _Decimal128 _Decimal32 _Decimal64 _Generic _Imaginary
    _Noreturn _Static_assert _Thread_local
"""
_KEYWORDS = frozenset([*_WORDS.split(), *C_TYPES.values()])
"""Of C and C++, two macros of GCC's and the types of a header: no names of functions or arguments."""
_DEFINED = re.compile(
    r"u?int\w*_t|U?INT\w*_(MIN|MAX|WIDTH|C)|(PTRDIFF|SIZE|SIG_ATOMIC|WCHAR|WINT)_(MIN|MAX|WIDTH)"
    r"|LOWBIT_(RESTRICT|\w+_H)|[A-Z0-9_]+_(BYTES|ALIGNMENT)|__\w+__"
)
"""What `stdint.h`, a header itself and compilers define."""
_RESERVED = re.compile(r"(is|to|str|mem|wcs|atomic_|cnd_|mtx_|thrd_|tss_|pthread_|sem_)[a-z]\w*")
"""Names that C and POSIX keep for functions of theirs, now or later."""
_FUNCTIONS = """
    abort abs acos acosh aligned_alloc asin asinh assert at_quick_exit atan atan2 atanh atexit atof atoi
    atol atoll bind bsearch calloc cbrt ceil chdir clearerr clock close connect copysign cos cosh ctime
    difftime div dup dup2 environ erf erfc errno execve exit exp exp2 expm1 fabs fclose fdim feof ferror
    fflush fgetc fgetpos fgets floor fma fmax fmin fmod fopen fork fprintf fputc fputs fread free freopen
    frexp fscanf fseek fsetpos fstat ftell fwrite getc getchar getcwd getenv getpid gets gmtime hypot ilogb
    ioctl kill labs ldexp ldiv lgamma link listen llabs lldiv llrint llround localeconv localtime log log10
    log1p log2 logb longjmp lrint lround lseek malloc mblen mbstowcs mbtowc mkdir mktime mmap modf munmap
    nan nearbyint nextafter open pause perror pipe poll pow printf putc putchar puts qsort quick_exit raise
    rand read realloc recv remainder remove remquo rename rewind rint rmdir round scalbn scanf select send
    setbuf setenv setjmp setlocale setvbuf sigaction signal sin sinh sleep snprintf socket sprintf sqrt
    srand sscanf stat stderr stdin stdout swab sync system tan tanh tgamma time times tmpfile tmpnam trunc
    umask ungetc unlink usleep vfprintf vprintf vsnprintf vsprintf wait waitpid wcstombs wctomb write
"""
_LIBRARY = frozenset(_FUNCTIONS.split())
"""Functions and variables of C and POSIX that a program may well have linked already."""


def c_symbol(name: str) -> str:
    """The C function of a name, `network` for `main`; raises ValueError for what can name none."""
    name = "network" if name == "main" else name
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        raise ValueError(
            f"'{name}' is no name of a C function: give one made of letters and digits"
        )
    if is_word(name):
        raise ValueError(
            f"'{name}' is no name of a C function but a word of C or C++: give another one"
        )
    if name.startswith("_") or _RESERVED.fullmatch(name) or name in _LIBRARY:
        raise ValueError(
            f"'{name}' is reserved for the C library, which may have or call such a function: give another "
            "one"
        )
    return name


def is_word(name: str) -> bool:
    """Whether a name means something else in a program that includes a header."""
    return name in _KEYWORDS or _DEFINED.fullmatch(name) is not None
