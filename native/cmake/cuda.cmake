# CUDA's headers, cudnn-frontend and the compiled kernels, from PyPI wheels pinned by hash: no toolkit, no GPU.
# ALEXNET_CUDA: AUTO (default) builds the backend if they can be had, ON insists, OFF builds the stub.
# Defines CUDA_SOURCES for the target alexnet_cuda, and cuda_headers, which they include.

set(ALEXNET_CUDA AUTO CACHE STRING "AUTO, ON or OFF: build the CUDA backend")
set(cuda_dir ${CMAKE_BINARY_DIR}/cuda)
set(cuda_stamp ${cuda_dir}/unpacked-1)

function(fetch_cuda result)
  find_program(PYTHON NAMES python3 python)
  if(NOT PYTHON)
    set(${result} "python3 is not there" PARENT_SCOPE)
    return()
  endif()
  file(MAKE_DIRECTORY ${cuda_dir})
  file(WRITE ${cuda_dir}/requirements.txt
    "nvidia-cudnn-frontend==1.18.0 --hash=sha256:382ea063b92cbfd5b442cb75ff8422932d78276aecf139e46713ed1ad3d07af4\n"
    "nvidia-cudnn-jit-cu13==9.27.0.42 --hash=sha256:d78f193e03ae0d884101d50e9019bffb9f99dabc5a58f50e069d145b84730c35\n"
    "nvidia-cuda-runtime==13.5.37 --hash=sha256:df2b79a8852f10d1fef8c848489c49eebb5754051bf870202a862831412b179d\n"
    "nvidia-cuda-crt==13.5.37 --hash=sha256:e898b7f73d3035fa89915a3f7bf3b54a73e90249746111aed295822c4729bb29\n"
    "nvidia-cuda-cccl==13.3.5.0.6 --hash=sha256:d5230098fa2df5021e1a00c0c4eee41797671a91119d31e892463e5ccf3ee326\n"
    "nvidia-cuda-nvrtc-cu12==12.9.86 --hash=sha256:210cf05005a447e29214e9ce50851e83fc5f4358df8b453155d5e1918094dcb4\n")
  message(STATUS "Fetching CUDA's headers and NVRTC from PyPI (190 MB)")
  execute_process(
    COMMAND ${PYTHON} -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all:
            --require-hashes --retries 2 --python-version 3.11 --platform manylinux_2_28_x86_64
            --platform manylinux_2_27_x86_64 --platform manylinux2014_x86_64 --platform manylinux2010_x86_64
            --dest ${cuda_dir} --requirement ${cuda_dir}/requirements.txt
    RESULT_VARIABLE failed ERROR_VARIABLE reason)
  if(failed)
    set(${result} "'${PYTHON} -m pip download' failed: ${reason}" PARENT_SCOPE)
    return()
  endif()
  file(GLOB wheels ${cuda_dir}/*.whl)
  foreach(wheel ${wheels})
    # Of cuDNN only the headers are wanted; its wheel is the smallest that has them.
    if(wheel MATCHES "cudnn_jit")
      file(ARCHIVE_EXTRACT INPUT ${wheel} DESTINATION ${cuda_dir} PATTERNS "*.h")
    else()
      file(ARCHIVE_EXTRACT INPUT ${wheel} DESTINATION ${cuda_dir})
    endif()
  endforeach()
  file(REMOVE ${wheels})
  file(WRITE ${cuda_stamp} "")
endfunction()

set(cuda_problem "")
if(ALEXNET_CUDA STREQUAL "OFF")
  set(cuda_problem "ALEXNET_CUDA is OFF")
elseif(NOT CMAKE_SYSTEM_NAME STREQUAL Linux OR NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
  set(cuda_problem "it is for linux-x64")
elseif(NOT EXISTS ${cuda_stamp})
  fetch_cuda(cuda_problem)
endif()

if(cuda_problem)
  if(ALEXNET_CUDA STREQUAL "ON")
    message(FATAL_ERROR "The CUDA backend cannot be built: ${cuda_problem}")
  endif()
  message(STATUS "No CUDA backend: ${cuda_problem}")
  set(CUDA_SOURCES cuda/stub.cc)
  return()
endif()

add_library(cuda_headers INTERFACE)
target_include_directories(cuda_headers SYSTEM INTERFACE
  ${cuda_dir}/include
  ${cuda_dir}/nvidia/cudnn_jit/include
  ${cuda_dir}/nvidia/cu13/include)
target_compile_definitions(cuda_headers INTERFACE NV_CUDNN_FRONTEND_USE_DYNAMIC_LOADING
  CUDNN_FRONTEND_SKIP_JSON_LIB NV_CUDNN_FRONTEND_DISABLE_LOGGING)

find_program(PYTHON NAMES python3 python REQUIRED)
set(kernel_images ${cuda_dir}/kernels.bin)
add_custom_command(OUTPUT ${kernel_images}
  COMMAND ${PYTHON} ${CMAKE_CURRENT_SOURCE_DIR}/cuda/build_kernels.py
          ${cuda_dir}/nvidia/cuda_nvrtc/lib ${CMAKE_CURRENT_SOURCE_DIR} ${kernel_images}
  DEPENDS cuda/build_kernels.py cuda/kernels.cu cuda/typed_kernels.inc cuda/kernel_arguments.h
          core/augment_record.h core/philox.h
  COMMENT "Compiling kernels.cu for each architecture")
set_source_files_properties(cuda/kernel_images.cc PROPERTIES
  COMPILE_DEFINITIONS "ALEXNET_KERNEL_IMAGES=\"${kernel_images}\"" OBJECT_DEPENDS ${kernel_images})

# Almost all of it is cudnn-frontend, and none of it is what takes time.
set_source_files_properties(cuda/convolution_graph.cc PROPERTIES COMPILE_OPTIONS -Os)

set(CUDA_SOURCES
  cuda/activation.cc
  cuda/augment.cc
  cuda/backend.cc
  cuda/bias.cc
  cuda/cast.cc
  cuda/convolution.cc
  cuda/convolution_graph.cc
  cuda/elementwise.cc
  cuda/gpu.cc
  cuda/graphs.cc
  cuda/kernel_images.cc
  cuda/kernel_table.cc
  cuda/landing.cc
  cuda/libraries.cc
  cuda/library_search.cc
  cuda/linear.cc
  cuda/loss.cc
  cuda/lrn.cc
  cuda/lrn_max_pool.cc
  cuda/lrn_within.cc
  cuda/matrix_product.cc
  cuda/optimizer.cc
  cuda/plan_file.cc
  cuda/pooling.cc
  cuda/random.cc
  cuda/staging.cc
  cuda/updates.cc)

# Compares cublaslt_api.h with the real header, and compiles with that what calls cuBLASLt:
# -DALEXNET_CUBLAS_INCLUDE=<folder of cublasLt.h>, then the target cublaslt-check.
if(ALEXNET_CUBLAS_INCLUDE)
  add_library(cublaslt-check OBJECT EXCLUDE_FROM_ALL
    cuda/cublaslt_check.cc
    cuda/linear.cc
    cuda/matrix_product.cc)
  target_compile_definitions(cublaslt-check PRIVATE ALEXNET_REAL_CUBLASLT)
  target_include_directories(cublaslt-check SYSTEM PRIVATE ${ALEXNET_CUBLAS_INCLUDE})
  target_link_libraries(cublaslt-check PRIVATE cuda_headers)
  target_compile_options(cublaslt-check PRIVATE -Wno-deprecated-declarations)
endif()
