# LibTorch out of a torch wheel, without find_package(Torch): that defines an empty
# protobuf::libprotobuf, which breaks the link of gRPC code, and CUDA wheels stop the configure step
# where no toolkit is installed.
#
# espalier_torch carries torch's include path, where protobuf 3.13 headers shadow the system's. It is
# therefore always linked PRIVATE (see espalier_library): a target that compiles generated proto code
# never sees it, while its link line still arrives.
set(torch_lib "${ESPALIER_TORCH}/lib")
if(NOT EXISTS "${torch_lib}/libtorch_cpu.so")
  message(FATAL_ERROR "No libtorch_cpu.so in ${torch_lib}: run deploy/install-deps, or point "
                      "-DESPALIER_TORCH at the folder of an installed torch wheel.")
endif()
file(READ "${ESPALIER_TORCH}/version.py" torch_version_py)
string(REGEX MATCH "__version__ = '([^']+)'" _ "${torch_version_py}")
set(ESPALIER_TORCH_VERSION "${CMAKE_MATCH_1}")

# Libraries that nothing references by symbol must stay on the link line (CUDA registers itself).
set(torch_libs "${torch_lib}/libtorch.so" "${torch_lib}/libtorch_cpu.so")
if(EXISTS "${torch_lib}/libtorch_cuda.so")
  list(APPEND torch_libs "${torch_lib}/libtorch_cuda.so" "${torch_lib}/libc10_cuda.so")
endif()
add_library(espalier_torch INTERFACE)
target_include_directories(espalier_torch SYSTEM INTERFACE
  "${ESPALIER_TORCH}/include" "${ESPALIER_TORCH}/include/torch/csrc/api/include")
target_link_libraries(espalier_torch INTERFACE
  -Wl,--no-as-needed ${torch_libs} -Wl,--as-needed "${torch_lib}/libc10.so")
# Without this at::parallel_for, a template of torch's headers, runs everything on the calling thread.
# Linked is torch's own libgomp; first in the rpath, it is the only one loaded.
file(GLOB torch_gomp "${torch_lib}/libgomp*.so*")
if(NOT torch_gomp)
  message(FATAL_ERROR "No libgomp in ${torch_lib}: the torch wheel there is not built with OpenMP.")
endif()
target_compile_options(espalier_torch INTERFACE -fopenmp)
target_link_libraries(espalier_torch INTERFACE "${torch_gomp}")
list(PREPEND CMAKE_BUILD_RPATH "${torch_lib}")
list(PREPEND CMAKE_INSTALL_RPATH "${torch_lib}")
message(STATUS "LibTorch ${ESPALIER_TORCH_VERSION} from ${ESPALIER_TORCH}")
