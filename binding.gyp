# Hands over to CMake: native/CMakeLists.txt is the only description of the build.
# Options: node-gyp rebuild --onednn_root=/opt/onednn --alexnet_cuda=OFF, or npm_config_onednn_root=... where another
# tool calls node-gyp. The output is never made: CMake knows what is out of date.
{
  "variables": {
    "onednn_root%": "",
    "alexnet_cuda%": ""
  },
  "targets": [
    {
      "target_name": "alexnet",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": [],
          "outputs": ["build/always"],
          "action": [
            "node",
            "scripts/build-native.mjs",
            "--gyp",
            "--arch=<(target_arch)",
            "-DONEDNN_ROOT=<(onednn_root)",
            "-DALEXNET_CUDA=<(alexnet_cuda)"
          ]
        }
      ]
    }
  ]
}
