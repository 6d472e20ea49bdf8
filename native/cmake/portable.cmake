# alexnet-portable, what scripts/prebuild.mjs ships: the same objects, linked against the symbols of an old glibc.
# Invariant: it needs no symbol newer than those in ALEXNET_GLIBC_STUBS, a folder that scripts/glibc-stubs.mjs makes.

if(ALEXNET_GLIBC_STUBS)
  add_library(alexnet-portable SHARED EXCLUDE_FROM_ALL ${alexnet_objects} portable/glibc.cc)
  link_addon(alexnet-portable)
  set_target_properties(alexnet-portable PROPERTIES
    OUTPUT_NAME alexnet
    LIBRARY_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/portable)
  # The unwinder is the system's: the static one asks the C library for functions of glibc 2.35.
  target_link_options(alexnet-portable PRIVATE -shared-libgcc -L${ALEXNET_GLIBC_STUBS})
endif()
