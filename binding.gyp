# Hands over to CMake: native/CMakeLists.txt is the only description of the build.
{
  "targets": [
    {
      "target_name": "alexnet",
      "type": "none",
      "actions": [
        {
          "action_name": "cmake",
          "inputs": ["native/CMakeLists.txt"],
          "outputs": ["build/Release/alexnet.node"],
          "action": ["node", "scripts/build-native.mjs"]
        }
      ]
    }
  ]
}
