import subprocess
import unittest

from host_your_own import commands, package


class HostYourOwnBuiltTests(unittest.TestCase):
    def test_the_page_s_package_builds_and_passes_its_tests(self):
        greeter = package(self)
        tested = subprocess.run(commands()[2], shell=True, cwd=greeter, capture_output=True, text=True)
        self.assertEqual(tested.returncode, 0, tested.stdout[-3000:] + tested.stderr[-3000:])
        self.assertIn("2 tests", tested.stdout)
        self.assertNotRegex(tested.stdout + tested.stderr, r"/greeter/.*warning:")
        # Nobody who hosts a function waits for a TLS library.
        self.assertEqual([path for path in (greeter / ".build").rglob("*.o") if "BoringSSL" in str(path)], [])

        built = subprocess.run(commands()[3], shell=True, cwd=greeter, capture_output=True, text=True)
        self.assertEqual(built.returncode, 0, built.stdout[-3000:] + built.stderr[-3000:])
        program = greeter / ".build" / "release" / "Greeter"
        self.assertNotIn("libswift", subprocess.run(["ldd", program], check=True, capture_output=True, text=True).stdout)


if __name__ == "__main__":
    unittest.main()
