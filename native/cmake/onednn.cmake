# oneDNN: -DONEDNN_ROOT=<prefix with include/ and lib/> wins; else the PyPI wheels, pinned by hash.
# Defines the imported target onednn; ONEDNN_RUNTIME, the library to put beside the addon (empty if there is none); and
# ONEDNN_FOLDER, where the addon looks for a shared library of the user's, whatever version its name has.

if(ONEDNN_ROOT)
  set(onednn_include ${ONEDNN_ROOT}/include)
  find_library(onednn_library NAMES libdnnl.a dnnl PATHS ${ONEDNN_ROOT}/lib NO_DEFAULT_PATH REQUIRED)
else()
  if(NOT CMAKE_SYSTEM_NAME STREQUAL Linux OR NOT CMAKE_SYSTEM_PROCESSOR MATCHES "x86_64|AMD64")
    message(FATAL_ERROR "oneDNN's wheels are for linux-x64. Build oneDNN 3.2 or later for "
                        "${CMAKE_SYSTEM_NAME} ${CMAKE_SYSTEM_PROCESSOR} and pass -DONEDNN_ROOT=<its prefix>.")
  endif()
  set(onednn_version 2023.2.0)
  set(onednn_dir ${CMAKE_BINARY_DIR}/onednn)
  if(NOT EXISTS ${onednn_dir}/unpacked-${onednn_version})
    find_program(PYTHON NAMES python3 python REQUIRED)
    file(MAKE_DIRECTORY ${onednn_dir})
    file(WRITE ${onednn_dir}/requirements.txt
      "onednn-cpu-gomp==${onednn_version} --hash=sha256:2f22a54d6a890ed14bfa185d42a4be65d8b5b1df85dc1f0f3a9abe31620416fb\n"
      "onednn-devel-cpu-gomp==${onednn_version} --hash=sha256:9763c69e8c907e119056bd52ad918ca84ac9ba939d130a99dfa95ccca3e5e284\n")
    message(STATUS "Fetching oneDNN from PyPI")
    execute_process(
      COMMAND ${PYTHON} -m pip download --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes
              --dest ${onednn_dir} --requirement ${onednn_dir}/requirements.txt
      RESULT_VARIABLE failed)
    if(failed)
      message(FATAL_ERROR "oneDNN could not be fetched with '${PYTHON} -m pip download' (see above). "
                          "Install pip and check the network, or pass -DONEDNN_ROOT=<prefix of oneDNN 3.2 or later>.")
    endif()
    file(GLOB onednn_wheels ${onednn_dir}/*.whl)
    foreach(wheel ${onednn_wheels})
      file(ARCHIVE_EXTRACT INPUT ${wheel} DESTINATION ${onednn_dir})
    endforeach()
    file(REMOVE ${onednn_wheels})
    file(WRITE ${onednn_dir}/unpacked-${onednn_version} "")
  endif()
  set(onednn_include ${onednn_dir}/onednn_devel_cpu_gomp-${onednn_version}.data/data/include)
  set(onednn_library ${onednn_dir}/onednn_cpu_gomp-${onednn_version}.data/data/lib/libdnnl.so.3)
endif()

add_library(onednn UNKNOWN IMPORTED)
set_target_properties(onednn PROPERTIES
  IMPORTED_LOCATION ${onednn_library}
  INTERFACE_INCLUDE_DIRECTORIES ${onednn_include})
set(ONEDNN_RUNTIME "")
set(ONEDNN_FOLDER "")
if(onednn_library MATCHES "\\.a$")
  # It becomes part of the addon.
elseif(NOT ONEDNN_ROOT)
  set(ONEDNN_RUNTIME ${onednn_library})
elseif(NOT WIN32)
  set(ONEDNN_FOLDER ${ONEDNN_ROOT}/lib)
elseif(EXISTS ${ONEDNN_ROOT}/bin/dnnl.dll)
  # Else the .lib is a static library.
  set(ONEDNN_RUNTIME ${ONEDNN_ROOT}/bin/dnnl.dll)
endif()
