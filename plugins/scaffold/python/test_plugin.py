"""python3 -m unittest. Numbers are checked by the zoo, where there is one: it alone runs what a plugin builds."""

import importlib.util
import os
import shutil
import subprocess
import unittest

from moezoo_plugin import PluginError

here = os.path.dirname(os.path.abspath(__file__))
script = os.path.join(here, "zoo-plugin-scaffolded.py")
spec = importlib.util.spec_from_file_location("scaffolded", script)  # a module's name has no hyphens
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
plugin = module.plugin
zoo = shutil.which("zoo")


class Checks(unittest.TestCase):
    def build(self, config=b"{}", **changed):
        return plugin.build("scaffolded", config, **{**dict(d_model=8, experts=4, top_k=2, width=16), **changed})

    def test_equal_requests_get_equal_bytes(self):
        self.assertEqual(self.build(), self.build())
        self.assertNotEqual(self.build(), self.build(d_model=9))

    def test_options_are_checked(self):
        with self.assertRaisesRegex(PluginError, "there is no option"):
            self.build(b'{"no_such_option": 1}')

    @unittest.skipUnless(zoo, "zoo is not in PATH")
    def test_zoo_verifies_it(self):
        done = subprocess.run([zoo, "plugin", "verify", script], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main()
