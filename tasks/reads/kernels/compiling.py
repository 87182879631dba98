"""Compiles files of kernels: `python -m tasks.reads.kernels.compiling FILE …`.

numba makes LLVM's intermediate code of each kernel; what is not needed to call it is dropped, the
rest becomes one object for each file. numba's arrays ask its run-time library for memory. That
library needs Python, which objects must not, so a dozen lines of our own stand in for it.
"""

import importlib
import importlib.util
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any, get_args

import llvmlite.binding as llvm  # type: ignore[import-untyped]
import numba
import numpy as np

from tasks.reads.kernels import objects
from tasks.reads.kernels.jit import KERNELS, ArrayType, Kernel, NumberType

MEMORY = """
declare ptr @malloc(i64)
declare void @free(ptr)

define linkonce_odr ptr @NRT_Allocate(i64 %size) {
  %block = call ptr @malloc(i64 %size)
  ret ptr %block
}

define linkonce_odr void @NRT_Free(ptr %block) {
  call void @free(ptr %block)
  ret void
}

; numba's record of an array: references, destructor and its argument, place of the items, size
define linkonce_odr ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {
  %wide = zext i32 %align to i64
  %extra = add i64 %wide, 64
  %whole = add i64 %size, %extra
  %block = call ptr @malloc(i64 %whole)
  %none = icmp eq ptr %block, null
  br i1 %none, label %end, label %fill
fill:
  store i64 1, ptr %block
  %start = ptrtoint ptr %block to i64
  %behind = add i64 %start, %extra
  %off = urem i64 %behind, %wide
  %at = sub i64 %behind, %off
  %items = inttoptr i64 %at to ptr
  %field = getelementptr i64, ptr %block, i64 3
  store ptr %items, ptr %field
  br label %end
end:
  ret ptr %block
}

define linkonce_odr void @NRT_MemInfo_call_dtor(ptr %block) {
  call void @free(ptr %block)
  ret void
}
"""


types: Any = numba.types
"""Untyped, in numba's own sense."""


def _numba_type(kind: ArrayType | NumberType) -> Any:  # noqa: ANN401 -- a type of numba's
    if isinstance(kind, ArrayType):
        return types.Array(numba.from_dtype(kind.dtype), kind.dimensions, "C")
    known = {int: types.int64, float: types.float64, bool: types.boolean}
    return known.get(kind.hint) or numba.from_dtype(np.dtype(kind.hint))


def _result_type(hint: Any) -> Any:  # noqa: ANN401 -- an annotation in, a type of numba's out
    if hint is type(None):
        return types.none
    if get_args(hint):
        return types.UniTuple(types.int64, len(get_args(hint)))
    return _numba_type(NumberType(hint))


def intermediate_code(kernel: Kernel[Any, Any], symbol: str) -> str:
    """A kernel as LLVM's intermediate code, with its function under that name.

    Raises:
        TypeError: It gives back something else than it says.
    """
    arguments, result = kernel.types()
    signature = _result_type(result)(*map(_numba_type, arguments.values()))
    make = numba.njit(signature, nogil=True, boundscheck=False, error_model="numpy")
    (found,) = make(kernel.plain).overloads.values()
    text: str = found.library.get_llvm_str()
    return text.replace(found.fndesc.llvm_func_name, symbol)


def compiled(kernels: list[Kernel[Any, Any]], file: Path) -> bytes:
    """The object of a file of kernels."""
    whole = llvm.parse_assembly(MEMORY)
    symbols = {one: objects.symbol(file, one.__name__) for one in kernels}
    for one, symbol in symbols.items():
        whole.link_in(llvm.parse_assembly(intermediate_code(one, symbol)))
    for function in whole.functions:
        if function.name not in symbols.values() and not function.is_declaration:
            function.linkage = "internal"
    for variable in whole.global_variables:
        if not variable.is_declaration:
            variable.linkage = "internal"
    name, features = objects.target()
    machine = llvm.Target.from_default_triple().create_target_machine(
        cpu=name, features=features, opt=3, reloc="default", codemodel="jitdefault"
    )
    passes = llvm.create_new_module_pass_manager()
    passes.add_global_dead_code_eliminate_pass()
    passes.run(whole, llvm.create_pass_builder(machine, llvm.create_pipeline_tuning_options(3)))
    code: bytes = machine.emit_object(whole)
    return code


def _module(file: Path) -> ModuleType:
    """The module of a file of kernels; one outside of the package is imported by its path."""
    if file.parent == objects.FOLDER:
        return importlib.import_module(f"{__package__}.{file.stem}")
    spec = importlib.util.spec_from_file_location(file.stem, file)
    if spec is None or spec.loader is None:
        raise ImportError(str(file))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def main(files: list[str]) -> None:
    """Write the object of each file, beside first and then under its name."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for file in map(Path, files):
        _module(file)
        code = compiled([one for one in KERNELS if one.file == file], file)
        place = objects.object_of(file)
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        beside = place.with_name(f"{place.name}.{os.getpid()}")
        beside.write_bytes(code)
        beside.replace(place)


if __name__ == "__main__":
    main(sys.argv[1:])
