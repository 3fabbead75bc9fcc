# Build tools that make a difference where they are present: ccache, mold; warnings; sanitizers.
find_program(ESPALIER_CCACHE ccache)
if(ESPALIER_CCACHE AND NOT CMAKE_CXX_COMPILER_LAUNCHER)
  # pch_defines,time_macros: without them ccache refuses every file that uses a precompiled header.
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env
      CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime
      ${ESPALIER_CCACHE})
endif()
find_program(ESPALIER_MOLD mold)
if(ESPALIER_MOLD)
  add_link_options(-fuse-ld=mold)
endif()

add_compile_options(-Wall -Wextra -Wno-unused-parameter -Wno-missing-field-initializers)

if(ESPALIER_SANITIZE)
  add_compile_options(-fsanitize=${ESPALIER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=all)
  add_link_options(-fsanitize=${ESPALIER_SANITIZE})
  add_compile_definitions(ESPALIER_SANITIZED)  # the compiler's own macros differ, and one is taken away below
  if(ESPALIER_SANITIZE MATCHES "thread")
    # With this macro the headers of Debian's protobuf lay out map fields otherwise than its library,
    # which was built without: every look-up in a map would crash.
    add_compile_options(-U__SANITIZE_THREAD__)
  endif()
endif()
